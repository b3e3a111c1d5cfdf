import { afterEach, describe, expect, it } from 'vitest';
import type { RateLimitConfig } from '../../src/proxy/rate-limiter.ts';
import { aBackend } from '../support/backends.ts';
import { addonEngine, ENGINES, type EngineKind, type EngineOptions } from '../support/engines.ts';
import { aKiller } from '../support/killer-client.ts';
import { KILLERS } from '../support/killers.ts';
import { readAll, startTcpBackend, tcpConnect } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Nothing comes back while a test runs. */
const ONCE: RateLimitConfig = { maxRequests: 1, windowMs: 2_000_000_000, burstSize: 3 };

/** An engine with a limit before a backend that says hello. */
async function anEngine(kind: EngineKind, rateLimit: RateLimitConfig, options: Partial<EngineOptions> = {}) {
  const backend = await startTcpBackend((socket) => socket.end('hello'));
  cleanups.push(() => backend.close());
  const backends = [aBackend({ id: 'a', port: backend.port, hardLimit: 0 })];
  const running = await kind.start(backends, { rateLimit, ...options });
  cleanups.push(() => running.engine.close(0));
  const ask = async (localAddress: string): Promise<string> => {
    const socket = await tcpConnect(running.port, '127.0.0.1', { localAddress });
    try {
      return (await readAll(socket)).toString();
    } finally {
      socket.destroy();
    }
  };
  return { ...running, backend, ask };
}

// Only Linux has all of 127.0.0.0/8 without being told.
describe.runIf(process.platform === 'linux').each(ENGINES)('$name engine', (kind) => {
  it('closes a client that comes too often, without a byte and without a backend, and no other one', async () => {
    const { ask, backend, engine, traffic } = await anEngine(kind, ONCE);
    const answers: string[] = [];
    for (let count = 0; count < 10; count++) answers.push(await ask('127.0.0.2'));
    expect(answers).toEqual([
      ...Array.from({ length: 3 }, () => 'hello'),
      ...Array.from({ length: 7 }, () => ''),
    ]);
    expect(await ask('127.0.0.3')).toBe('hello');
    await until(() => engine.liveConnections === 0, { what: 'the last connection to end' });
    expect(backend.connections).toBe(4);
    const { accepted, active, refused } = traffic.report();
    expect({ accepted, active, refused: refused.rate_limited }).toEqual({
      accepted: 11,
      active: 0,
      refused: 7,
    });
    expect(refused).toMatchObject({ no_backend: 0, all_full: 0, connect_failed: 0, local_error: 0 });
  });

  it('admits of a storm exactly the burst, whichever threads it comes to', async () => {
    const [burstSize, clients] = [37, 200];
    const { ask, backend, traffic } = await anEngine(kind, { ...ONCE, burstSize }, { threads: 4 });
    const answers = await Promise.all(Array.from({ length: clients }, () => ask('127.0.0.2')));
    expect(answers.filter((answer) => answer === 'hello')).toHaveLength(burstSize);
    expect(answers.filter((answer) => answer === '')).toHaveLength(clients - burstSize);
    expect(backend.connections).toBe(burstSize);
    expect(traffic.report().refused.rate_limited).toBe(clients - burstSize);
  });

  it('knows a client of a listener for both families by its IPv4 address, and lets the exempt in', async () => {
    const exempt = ['127.0.0.8/29'];
    const { ask } = await anEngine(kind, { ...ONCE, exempt }, { address: { host: '::', port: 0 } });
    const askTimes = async (from: string, times: number): Promise<number> => {
      let served = 0;
      for (let count = 0; count < times; count++) if ((await ask(from)) === 'hello') served++;
      return served;
    };
    expect(await askTimes('127.0.0.2', 5)).toBe(3);
    expect(await askTimes('127.0.0.7', 5)).toBe(3);
    expect(await askTimes('127.0.0.9', 9)).toBe(9);
  });
});

describe.runIf(process.platform === 'linux')('a limited thread that dies', () => {
  const MORTAL = new URL('../support/mortal-data-thread.ts', import.meta.url);

  it('takes no bucket with it, but the set that it was changing, which holds nobody up', async () => {
    const oneSet = { ...ONCE, maxClients: 15 };
    const { engine, port, ask } = await anEngine(addonEngine, oneSet, { threads: 2, module: MORTAL });
    const die = async (killer: string, deaths: number): Promise<void> => {
      await aKiller(port, killer);
      await until(() => engine.threads().deaths === deaths && engine.threads().alive === 2, {
        what: `the thread after death ${deaths}`,
      });
    };
    for (let count = 0; count < 3; count++) expect(await ask('127.0.0.2')).toBe('hello');
    await die(KILLERS.atOnce, 1);
    expect(await ask('127.0.0.2')).toBe('');
    await die(KILLERS.withLock, 2);
    expect(await ask('127.0.0.2')).toBe('hello');
  });
});
