import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { EdgeProxyError, messageOf } from '../../errors.ts';
import type { CountryFileAnswer } from './country-file-thread.ts';

/** The sources run as they are, the published build as JavaScript: the thread is of the same kind as this file. */
const THREAD = new URL(`country-file-thread${extname(import.meta.url)}`, import.meta.url);

/**
 * Reads and verifies a MaxMind-format file in a thread of its own, so that the calling one goes on meanwhile. Fails with
 * `ERR_GEOIP`.
 */
export async function openCountryFile(path: string): Promise<SharedArrayBuffer> {
  const answer = await ask(path);
  if ('database' in answer) return answer.database;
  throw new EdgeProxyError(
    'ERR_GEOIP',
    `geoip.path = "${path}": the GeoIP database cannot be used: ${answer.problem}. ` +
      'Give the path of a readable country or city database in the MaxMind format (.mmdb), or unset it.',
    { setting: 'geoip.path', cause: new Error(answer.problem) },
  );
}

async function ask(path: string): Promise<CountryFileAnswer> {
  const thread = new Worker(THREAD, { workerData: path });
  try {
    return await new Promise((resolve) => {
      thread.once('message', resolve);
      thread.once('error', (error) => resolve({ problem: messageOf(error) }));
      thread.once('exit', () => resolve({ problem: 'the thread that reads it has ended' }));
    });
  } finally {
    await thread.terminate();
  }
}
