import type { Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { encodeV2 } from '../../src/domain/proxy-protocol/encode.ts';
import { aBackend } from '../support/backends.ts';
import { anEchoEngine } from '../support/echo-engine.ts';
import { addonEngine, ENGINES, type EngineKind } from '../support/engines.ts';
import { aKiller } from '../support/killer-client.ts';
import { endpointsOf } from '../support/proxy-headers.ts';
import { startSilentPort } from '../support/silent-port.ts';
import { isServed, once, readAll, startTcpBackend, tcpConnect } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const FOR_EVER = 1_000_000;
const ONCE = { maxRequests: 1, windowMs: 2_000_000_000, burstSize: 3 };
const MANY = { ipv6Prefix: 64 };

/** Its end, or its reset, which may have come already. */
async function closing(client: Socket): Promise<void> {
  if (client.readableEnded || client.destroyed) return;
  await once(client.resume(), 'end').catch((error: unknown) => error);
}

describe.runIf(process.platform === 'linux').each(ENGINES)(
  '$name engine that goes by other settings',
  (kind) => {
    it('closes connections by another timeout, and counts the time that they have been silent', async () => {
      const { enter, reconfigure, traffic } = await anEchoEngine(kind);
      const [old, late] = [(await enter())!, (await enter())!];
      const startedMs = performance.now();
      while (performance.now() - startedMs < 600) expect(await isServed(late)).toBe(true);
      await reconfigure({ idleTimeoutMs: 700 });
      const closed = closing(old);
      while (!old.destroyed) expect(await isServed(late)).toBe(true);
      await closed;
      await closing(late);
      expect(traffic.report().timedOut.idle).toBe(2);
    });

    it('closes none by a timeout that is off again', async () => {
      const { enter, reconfigure, traffic } = await anEchoEngine(kind, { idleTimeoutMs: 600 });
      const idle = (await enter())!;
      await reconfigure({ idleTimeoutMs: 0 });
      const other = (await enter())!;
      const startedMs = performance.now();
      while (performance.now() - startedMs < 1_300) expect(await isServed(other)).toBe(true);
      expect(await isServed(idle)).toBe(true);
      expect(traffic.report().timedOut.idle).toBe(0);
    });

    it('gives a connect that is under way up by another timeout, and by how many may be tried', async () => {
      const silent = await startSilentPort();
      onTestFinished(() => silent.close());
      const { apply, inForce, connect, reconfigure, refused, outcomes } = await anEchoEngine(kind, {
        connectTimeoutMs: FOR_EVER,
        connectAttempts: 2,
      });
      apply([aBackend({ id: 'silent', port: silent.port })]);
      await until(() => inForce() === 2, { what: 'the set to be in force' });
      const clients = await Promise.all([connect(), connect(), connect()]);
      await reconfigure({ connectTimeoutMs: 150, connectAttempts: 1 });
      await Promise.all(clients.map(closing));
      expect(refused().connect_failed).toBe(3);
      await until(() => outcomes.filter((one) => 'cause' in one && one.cause === 'timeout').length === 3, {
        what: 'the outcomes',
      });
    });

    it('bounds connections from then on, those that were there counted', async () => {
      const { enter, reconfigure, refused } = await anEchoEngine(kind);
      const clients = [await enter(), await enter(), await enter()];
      await reconfigure({ limits: { ...MANY, maxConnections: 4, maxPerClient: 0 } });
      clients.push(await enter());
      expect(clients).not.toContain(undefined);
      expect(await enter()).toBeUndefined();
      expect(refused().max_connections).toBe(1);
      await reconfigure({ limits: { ...MANY, maxConnections: 2, maxPerClient: 0 } });
      for (const client of clients) expect(await isServed(client!)).toBe(true);
      for (const client of clients.splice(0, 3)) client!.destroy();
      await until(async () => (await enter()) !== undefined, { what: 'room for one' });
      expect(await enter()).toBeUndefined();
      await reconfigure({ limits: undefined });
      expect(await enter()).toBeDefined();
    });

    it('bounds the connections of each client from then on, those that were there counted', async () => {
      const { enter, reconfigure, refused } = await anEchoEngine(kind);
      const first = (await enter('127.0.0.2'))!;
      await enter('127.0.0.2');
      await reconfigure({ limits: { ...MANY, maxConnections: 0, maxPerClient: 2 } });
      expect([await enter('127.0.0.2'), (await enter('127.0.0.3')) !== undefined]).toEqual([undefined, true]);
      expect(refused().max_connections_per_client).toBe(1);
      first.destroy();
      await until(async () => (await enter('127.0.0.2')) !== undefined, { what: 'room for one' });
      expect(await enter('127.0.0.2')).toBeUndefined();
    });

    it('bounds exactly those of a storm, whichever threads it comes to', async () => {
      const { connect, reconfigure, backend } = await anEchoEngine(kind, { threads: 3 });
      const early = await Promise.all(Array.from({ length: 30 }, () => connect()));
      await Promise.all(early.map(isServed));
      await reconfigure({ limits: { ...MANY, maxConnections: 50, maxPerClient: 0 } });
      const late = await Promise.all(Array.from({ length: 100 }, () => connect()));
      const served = await Promise.all(late.map(isServed));
      expect(served.filter(Boolean)).toHaveLength(20);
      expect(backend.sockets).toHaveLength(50);
    });

    it('has clients wait once they may, for as long as they may at the moment', async () => {
      const { enter, connect, reconfigure, refused, traffic } = await anEchoEngine(kind, {}, 1);
      const holder = (await enter())!;
      expect(await enter()).toBeUndefined();
      await reconfigure({ waits: { maxWaiting: 1, timeoutMs: FOR_EVER } });
      const waiter = await connect();
      const isWaiterServed = isServed(waiter);
      await until(() => traffic.report().waiting === 1, { what: 'one to wait' });
      expect(await enter()).toBeUndefined();
      await reconfigure({ waits: { maxWaiting: 2, timeoutMs: FOR_EVER } });
      const second = await connect();
      await until(() => traffic.report().waiting === 2, { what: 'another one' });
      await reconfigure({ waits: undefined });
      expect(await enter()).toBeUndefined();
      expect(refused().all_full).toBe(3);
      holder.destroy();
      expect(await isWaiterServed).toBe(true);
      await reconfigure({ waits: { maxWaiting: 2, timeoutMs: 50 } });
      await closing(second);
      expect(refused().queue_timeout).toBe(1);
    });

    it('limits the rate of clients from then on, by another limit, and not any more', async () => {
      const { enter, reconfigure, refused } = await anEchoEngine(kind);
      const served = async (times: number, from = '127.0.0.2'): Promise<number> => {
        let count = 0;
        for (let time = 0; time < times; time++) if ((await enter(from)) !== undefined) count++;
        return count;
      };
      expect(await served(5)).toBe(5);
      await reconfigure({ rateLimit: ONCE });
      expect(await served(5)).toBe(3);
      await reconfigure({ rateLimit: { ...ONCE, burstSize: 6 } });
      expect([await served(2), await served(8, '127.0.0.3')]).toEqual([0, 6]);
      await reconfigure({ rateLimit: { ...ONCE, exempt: ['127.0.0.2'] } });
      expect([await served(5), await served(2, '127.0.0.3')]).toEqual([5, 0]);
      await reconfigure({ rateLimit: undefined });
      expect(await served(5, '127.0.0.3')).toBe(5);
      expect(refused().rate_limited).toBe(8);
    });

    it('trusts other proxies from then on, and waits for their headers as long as it says at the moment', async () => {
      const { enter, connect, reconfigure, refused } = await anEchoEngine(kind);
      const direct = (await enter('127.0.0.2'))!;
      const trusted = ['127.0.0.2'];
      await reconfigure({ proxyHeaders: { trusted, timeoutMs: FOR_EVER } });
      expect(await isServed(direct)).toBe(true);
      expect(await enter('127.0.0.3')).toBeDefined();
      const announced = await connect('127.0.0.2');
      announced.write(encodeV2(endpointsOf('203.0.113.9', 7, '127.0.0.1', 8)));
      expect(await isServed(announced)).toBe(true);
      const silent = await connect('127.0.0.2');
      await reconfigure({ proxyHeaders: { trusted, timeoutMs: 50 } });
      await closing(silent);
      expect(refused().bad_proxy_header).toBe(1);
      await reconfigure({ proxyHeaders: { trusted: [], timeoutMs: 50 } });
      expect(await enter('127.0.0.2')).toBeDefined();
    });

    it('binds clients to their backends from then on', async () => {
      const { apply, ask, reconfigure } = await twoNamed(kind);
      apply();
      await reconfigure({ bindingTtlMs: 60_000 });
      const first = await ask();
      for (let time = 0; time < 8; time++) expect(await ask()).toBe(first);
      await reconfigure({ bindingTtlMs: 0 });
      const answers = new Set<string>();
      await until(
        async () => {
          answers.add(await ask());
          return answers.size === 2;
        },
        { what: 'both to answer' },
      );
    });

    it('keeps connections warm once it may, as many as it may, and none when it may not', async () => {
      const pool = {
        maxPerBackend: 3,
        idleTimeoutMs: FOR_EVER,
        maxLifetimeMs: FOR_EVER,
        connectTimeoutMs: 1_000,
      };
      const { enter, reconfigure, backend, pool: source, engine } = await anEchoEngine(kind, { threads: 1 });
      const client = (await enter())!;
      expect(backend.connections).toBe(1);
      await reconfigure({ pool });
      const warm = (): number => source.report().backends[0]!.warm;
      const served = (await enter())!;
      await until(() => warm() > 0 && backend.sockets.length === 2 + warm(), { what: 'warm connections' });
      await reconfigure({ pool: { ...pool, idleTimeoutMs: 50 } });
      await until(() => warm() === 0, { what: 'those that nobody used to be closed' });
      await reconfigure({ pool });
      await enter();
      await until(() => warm() > 0, { what: 'warm connections' });
      await reconfigure({ pool: undefined });
      await until(() => warm() === 0, { what: 'them to be closed' });
      expect(engine.liveConnections).toBe(3);
      for (const one of [client, served]) expect(await isServed(one)).toBe(true);
      await enter();
      expect(warm()).toBe(0);
    });
  },
);

describe.runIf(process.platform === 'linux')('epoll engine that goes by other settings', () => {
  it('has a thread that takes the place of a dead one go by them as well', async () => {
    const module = new URL('../support/mortal-data-thread.ts', import.meta.url);
    const { engine, enter, port, reconfigure } = await anEchoEngine(addonEngine, { module, threads: 1 });
    await reconfigure({
      limits: { ...MANY, maxConnections: 2, maxPerClient: 0 },
      proxyHeaders: { trusted: ['127.0.0.9'], timeoutMs: 100 },
    });
    await enter();
    await aKiller(port);
    await until(() => engine.threads().deaths === 1 && engine.threads().alive === 1, {
      what: 'another thread',
    });
    expect([(await enter()) !== undefined, await enter('127.0.0.9')]).toEqual([true, undefined]);
    expect([(await enter()) !== undefined, await enter()]).toEqual([true, undefined]);
  });

  it('goes by them although a thread dies meanwhile', async () => {
    const module = new URL('../support/mortal-data-thread.ts', import.meta.url);
    const { enter, port, reconfigure } = await anEchoEngine(addonEngine, { module, threads: 2 });
    const killer = await aKiller(port);
    await reconfigure({ limits: { ...MANY, maxConnections: 1, maxPerClient: 0 } });
    await closing(killer);
    await until(async () => (await enter()) !== undefined, { what: 'one to be let in' });
    expect(await enter()).toBeUndefined();
  });
});

async function twoNamed(kind: EngineKind) {
  const backends = await Promise.all(
    ['one', 'other'].map(async (name) => {
      const backend = await startTcpBackend((socket) => socket.resume().end(name), { allowHalfOpen: true });
      onTestFinished(() => backend.close());
      return aBackend({ id: name, port: backend.port });
    }),
  );
  const running = await kind.start(backends);
  onTestFinished(() => running.engine.close(0));
  return {
    reconfigure: running.reconfigure,
    apply: () => running.apply(backends),
    ask: async (): Promise<string> => {
      const client = await tcpConnect(running.port);
      try {
        return (await readAll(client)).toString();
      } finally {
        client.destroy();
      }
    },
  };
}
