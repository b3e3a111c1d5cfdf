import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { BEARER_TOKEN, BEARER_TOKEN_RULE } from '../../domain/bearer-token.ts';
import { EdgeProxyError, messageOf } from '../../errors.ts';

const MAX_FILE_BYTES = 4_096;
const OTHERS_WRITE = 0o022;

/** Throws why the file is none that only its owner may change, or resolves with what is in it. */
async function readText(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new Error('it is no regular file');
    if (process.getuid !== undefined && (stats.mode & OTHERS_WRITE) !== 0) {
      throw new Error(
        `its mode is ${(stats.mode & 0o777).toString(8).padStart(4, '0')}, so others may replace it`,
      );
    }
    if (stats.size > MAX_FILE_BYTES) throw new Error('it is too large to be a token');
    return (await file.readFile('utf8')).trim();
  } finally {
    await file.close();
  }
}

/**
 * Reads a token from a file that the operator or a secret store provides, links included.
 *
 * Rejects with `ERR_SETTINGS_INVALID`, which names the setting and the path, for a file that cannot be read, that
 * others may write, or that holds no token. No message holds what is in the file.
 *
 * @param setting key of the one that gives the path
 */
export async function readTokenFile(setting: string, path: string): Promise<string> {
  const refuse = (problem: string, cause?: unknown): EdgeProxyError =>
    new EdgeProxyError('ERR_SETTINGS_INVALID', `${setting} = ${JSON.stringify(path)}: ${problem}`, {
      setting,
      cause,
    });
  let text: string;
  try {
    text = await readText(path);
  } catch (thrown) {
    throw refuse(`cannot be used: ${messageOf(thrown)}`, thrown);
  }
  if (!BEARER_TOKEN.test(text)) throw refuse(`expected a file that holds ${BEARER_TOKEN_RULE}`);
  return text;
}
