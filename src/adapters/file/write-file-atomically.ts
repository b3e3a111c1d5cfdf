import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';

/**
 * Replaces a file as a whole: a reader sees the old content or the new one, also after a crash or a full disk.
 *
 * Written beside it, synced, then renamed. (The package write-file-atomic 8 writes once without looking at how
 * much was written, so that a nearly full disk replaces the good file by the beginning of the new one.)
 *
 * @param mode the permission bits of the new file
 */
export async function writeFileAtomically(path: string, content: string, mode: number): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const file = await open(temporary, 'wx', mode);
  try {
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (thrown) {
    await rm(temporary, { force: true });
    throw thrown;
  }
}
