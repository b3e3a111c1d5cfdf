import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { AnyStateMachine } from 'xstate';
import { chartOf, type ChartTransition } from './chart.ts';
import { dotOf } from './dot.ts';

/** A machine drawn for whoever lights its states, as `svgOf` tells, and its transitions by their index. */
export interface MachineDrawing {
  readonly svg: string;
  readonly transitions: readonly Omit<ChartTransition, 'label'>[];
}

/** The sources run as they are, the published build as JavaScript: the thread is of the same kind as this file. */
const THREAD = new URL(`svg-thread${extname(import.meta.url)}`, import.meta.url);

function drawInThread(dot: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const thread = new Worker(THREAD, { workerData: dot });
    thread.once('message', resolve);
    thread.once('error', reject);
    thread.once('exit', () => reject(new Error('the thread ended before the chart was drawn')));
  });
}

/**
 * Draws a machine, in a thread that ends with it: loading Graphviz takes a tenth of a second, in which the calling
 * thread could serve nobody, and some memory, which it would keep.
 */
export async function drawMachine(machine: AnyStateMachine): Promise<MachineDrawing> {
  const chart = chartOf(machine);
  return {
    svg: await drawInThread(dotOf(chart)),
    transitions: chart.transitions.map(({ from, to, event }) => ({ from, to, event })),
  };
}
