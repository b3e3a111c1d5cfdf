import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { AnyStateMachine } from 'xstate';
import type { ChartDrawing } from '../../domain/chart-drawing.ts';
import { chartOf } from './chart.ts';
import { dotOf } from './dot.ts';

export interface DrawOptions {
  /** Ends the drawing. */
  readonly signal?: AbortSignal;
  /** Time that a drawing may take. Default 10 s. */
  readonly timeoutMs?: number;
}

/** The sources run as they are, the published build as JavaScript: the thread is of the same kind as this file. */
const THREAD = new URL(`svg-thread${extname(import.meta.url)}`, import.meta.url);

/** What a thread may take of this process; Graphviz itself lives beside that, in memory of WebAssembly. */
const THREAD_LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 16 };

async function drawInThread(dot: string, { signal, timeoutMs = 10_000 }: DrawOptions): Promise<string> {
  const tooLong = AbortSignal.timeout(timeoutMs);
  const ended = signal === undefined ? tooLong : AbortSignal.any([signal, tooLong]);
  ended.throwIfAborted();
  const thread = new Worker(THREAD, { workerData: dot, resourceLimits: THREAD_LIMITS });
  try {
    return await new Promise((resolve, reject) => {
      thread.once('message', resolve);
      thread.once('error', reject);
      thread.once('exit', () => reject(new Error('the thread ended before the chart was drawn')));
      ended.addEventListener('abort', () => reject(ended.reason), { once: true });
    });
  } finally {
    await thread.terminate();
  }
}

/**
 * Draws a machine, in a thread that ends with it: loading Graphviz takes a tenth of a second, in which the calling
 * thread could serve nobody, and some memory, which it would keep.
 */
export async function drawMachine(
  machine: AnyStateMachine,
  options: DrawOptions = {},
): Promise<ChartDrawing> {
  const chart = chartOf(machine);
  return {
    svg: await drawInThread(dotOf(chart), options),
    transitions: chart.transitions.map(({ from, to, event }) => ({ from, to, event })),
  };
}
