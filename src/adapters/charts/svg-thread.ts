import { parentPort, workerData } from 'node:worker_threads';
import { svgOfDot } from './svg.ts';

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
parentPort?.postMessage(await svgOfDot(String(workerData)));
