import { afterEach, describe, expect, it } from 'vitest';
import { SocketAddress } from '../../src/proxy/epoll/socket-address.ts';
import { IpAddress } from '../../src/proxy/ip-address.ts';
import { AF, MSG_MORE, SOL } from '../../src/proxy/sys/constants.ts';
import { loadSys } from '../../src/proxy/sys/load-sys.ts';
import type { Sys } from '../../src/proxy/sys/sys.ts';
import { aBackend } from '../support/backends.ts';
import { ENGINES } from '../support/engines.ts';
import { startTcpBackend } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const MSG_OOB = 1;
const TCP_CORK = 3;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A client that can send urgent data, which sockets of Node cannot. */
class UrgentClient {
  readonly #sys: Sys;
  readonly #fd: number;

  constructor(sys: Sys, port: number) {
    this.#sys = sys;
    const address = new SocketAddress(sys);
    address.write(IpAddress.of('127.0.0.1').words, 0, port);
    this.#fd = sys.dial(AF.INET, address.pointer, address.length, 0);
  }

  send(text: string, flags = 0): number {
    const bytes = new TextEncoder().encode(text);
    return this.#sys.send(this.#fd, this.#sys.addressOf(bytes.buffer), 0, bytes.length, flags);
  }

  /** Holds segments that are not full back, or lets them go. */
  cork(isOn: boolean): void {
    this.#sys.setOption(this.#fd, SOL.TCP, TCP_CORK, Number(isOn));
  }

  fin(): void {
    this.#sys.shutdownWrite(this.#fd);
  }

  close(): void {
    this.#sys.close(this.#fd);
  }
}

describe.each(ENGINES)('$name engine, when data is urgent', ({ start }) => {
  /** Returns how to connect; `seen` is what the backend has seen of the newest client. */
  async function anEngine() {
    const seen = { text: '', length: 0, hasEnded: false };
    const backend = await startTcpBackend(
      (socket) => {
        Object.assign(seen, { text: '', length: 0, hasEnded: false });
        socket.setEncoding('utf8').on('data', (text: string) => {
          seen.text = (seen.text + text).slice(-20);
          seen.length += text.length;
        });
        socket.once('end', () => (seen.hasEnded = true));
      },
      { allowHalfOpen: true },
    );
    cleanups.push(() => backend.close());
    const running = await start([aBackend({ port: backend.port })]);
    cleanups.push(() => running.engine.close(0));
    const sys = await loadSys('addon');
    const connect = async (): Promise<UrgentClient> => {
      const client = new UrgentClient(sys, running.port);
      cleanups.push(() => client.close());
      await until(() => client.send('hello ') === 6, { what: 'the client to be connected' });
      const state = (): string => JSON.stringify([seen, running.traffic.report(), running.outcomes]);
      await until(() => seen.text === 'hello ', { what: 'its first words' }).catch((error: Error) => {
        throw new Error(`${error.message}; ${state()}`, { cause: error });
      });
      return client;
    };
    return { connect, seen };
  }

  /** One segment with a mark in its middle: a read ends there. */
  function sendMarked(client: UrgentClient): void {
    client.cork(true);
    client.send('before ', MSG_MORE);
    client.send('!', MSG_OOB | MSG_MORE);
    client.send('behind');
  }

  it('delivers what is behind the mark, though nothing comes after it', async () => {
    const { connect, seen } = await anEngine();
    const client = await connect();
    sendMarked(client);
    client.cork(false);
    await until(() => seen.text.length >= 'hello before behind'.length, { what: 'all of it' });
    expect(seen.text).toBe('hello before behind');
  });

  it('delivers what is behind the mark before the FIN', async () => {
    const { connect, seen } = await anEngine();
    for (let round = 0; round < 20; round++) {
      const client = await connect();
      sendMarked(client);
      client.fin();
      await until(() => seen.hasEnded, { what: 'the FIN' });
      expect(seen.text).toBe('hello before behind');
    }
  });

  it('delivers what is behind the mark amid bulk', async () => {
    const { connect, seen } = await anEngine();
    const client = await connect();
    const bulk = 'x'.repeat(65_536);
    let sent = 6;
    const sendBulk = (): void => {
      for (let times = 0; times < 40; times++) sent += Math.max(0, client.send(bulk));
    };
    sendBulk();
    await until(() => seen.length === sent, { what: 'bulk' });
    sendBulk();
    sendMarked(client);
    client.fin();
    await until(() => seen.hasEnded, { what: 'the FIN' });
    expect(seen.text).toMatch(/xbefore behind$/);
    expect(seen.length).toBe(sent + 'before behind'.length);
  });
});
