import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createInspector } from '../../../src/adapters/inspect/inspector.ts';
import { eventStream } from '../../../src/adapters/http/event-stream.ts';
import { inspectRoutes } from '../../../src/adapters/http/inspect-routes.ts';
import { startGuardedServer } from '../../../src/adapters/http/guarded-server.ts';
import { silentLogger } from '../../support/proxy.ts';

describe('a stream whose feed fails', () => {
  it('ends, tells it once, and is given nothing more', async () => {
    const enqueue = vi.spyOn(ReadableStreamDefaultController.prototype, 'enqueue');
    onTestFinished(() => enqueue.mockRestore());
    let fail: (error: Error) => void = () => {};
    const failures: unknown[] = [];
    let closes = 0;
    const stream = eventStream(
      { next: () => new Promise((_, reject) => (fail = reject)), close: () => (closes += 1) },
      { beatMs: 60_000, onFailed: (thrown) => failures.push(thrown) },
    );
    const reading = stream.getReader().read();
    const thrown = new Error('no memory');
    await new Promise(setImmediate);
    fail(thrown);
    await expect(reading).resolves.toMatchObject({ done: true });
    await new Promise(setImmediate);
    expect(failures).toEqual([thrown]);
    expect(closes).toBe(1);
    expect(enqueue).not.toHaveBeenCalled();
  });

  it('is logged by the listener that served it, and its client gets no detail', async () => {
    const errors: object[] = [];
    const logger = {
      ...silentLogger,
      error: (fields: object, message: string) => errors.push([message, fields]),
    };
    const inspector = createInspector({
      actors: Object.assign([], { version: 1 }),
      draw: () => Promise.reject(new Error('nobody draws')),
      describe: () => '{}',
      maxActors: 1,
      wallClock: () => 0,
    });
    const failing = {
      ...inspector,
      open: () => ({ next: () => Promise.reject(new Error('no memory')), close() {} }),
    };
    const server = await startGuardedServer({
      address: { host: '127.0.0.1', port: 0 },
      addressSetting: 'EDGEPROXY_ADMIN_LISTEN_ADDR',
      name: 'admin',
      tokens: [],
      hosts: { names: [], advice: 'EDGEPROXY_ADMIN_HOSTS adds others' },
      routes: await inspectRoutes({ inspector: failing, logger }),
      logger,
      now: () => performance.now(),
    });
    onTestFinished(() => server.close());
    const answer = fetch(`http://127.0.0.1:${server.address.port}/inspect/events`);
    expect(await (await answer).text()).toBe('');
    expect(errors).toEqual([['stream of live actors failed', { error: 'no memory' }]]);
  });
});
