import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

const OTHERS_WRITE = 0o022;

/**
 * Reads a text that only this user, or root, can have written: what is in the state folder decides where clients go.
 *
 * Rejects with the error of the system, and with why a file is not to be believed.
 */
export async function readOwnFile(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw new Error('it is no regular file');
    const { mode, uid } = stats;
    const self = process.getuid?.();
    if (self !== undefined && uid !== self && uid !== 0)
      throw new Error(`it belongs to the user ${uid}, who may have written anything, and not to ${self}`);
    if (self !== undefined && (mode & OTHERS_WRITE) !== 0)
      throw new Error(
        `its mode is ${(mode & 0o777).toString(8).padStart(4, '0')}, so others may have written it`,
      );
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}
