import { parentPort, workerData } from 'node:worker_threads';
import { messageOf } from '../../errors.ts';
import { readCountryFile } from './maxmind-file.ts';

/** What the thread answers. */
export type CountryFileAnswer = { readonly database: SharedArrayBuffer } | { readonly problem: string };

async function answer(): Promise<CountryFileAnswer> {
  try {
    return { database: await readCountryFile(String(workerData)) };
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
parentPort?.postMessage(await answer());
