import type { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { drawMachine } from '../../../src/adapters/charts/machine-drawing.ts';
import { lifecycleMachine } from '../../../src/machines/lifecycle.ts';

let running = 0;
const onWorker = (worker: Worker): void => {
  running += 1;
  worker.once('exit', () => (running -= 1));
};
beforeAll(() => void process.on('worker', onWorker));
afterAll(() => void process.off('worker', onWorker));

/** Threads of this process that have begun and not ended, once everything that is due has been told. */
async function threads(): Promise<number> {
  await new Promise(setImmediate);
  return running;
}

describe('a thread that draws', () => {
  it('is gone when the chart is there', async () => {
    const drawing = drawMachine(lifecycleMachine);
    expect(await threads()).toBe(1);
    expect((await drawing).svg).toMatch(/^<svg /);
    expect(await threads()).toBe(0);
  });

  it('is ended when it takes too long', async () => {
    await expect(drawMachine(lifecycleMachine, { timeoutMs: 1 })).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    expect(await threads()).toBe(0);
  });

  it('is ended when nobody wants the chart any more', async () => {
    const closing = new AbortController();
    const drawing = drawMachine(lifecycleMachine, { signal: closing.signal });
    const reason = new Error('the listener closes');
    closing.abort(reason);
    await expect(drawing).rejects.toBe(reason);
    expect(await threads()).toBe(0);
    await expect(drawMachine(lifecycleMachine, { signal: closing.signal })).rejects.toBe(reason);
    expect(await threads()).toBe(0);
  });
});
