import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadRegistrations } from '../../../src/adapters/file/registrations-file.ts';
import { readOwnFile } from '../../../src/adapters/file/read-own-file.ts';
import { loadState } from '../../../src/adapters/file/state-file.ts';
import { loadSwitchedOff } from '../../../src/adapters/file/switched-off-file.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const NOBODY = 65_534;

async function aFile(mode: number): Promise<string> {
  const path = join(await temporaryFolder(), 'file');
  await writeFile(path, 'text');
  await chmod(path, mode);
  return path;
}

describe.runIf(process.getuid !== undefined)('a file of the state folder', () => {
  it.each([0o600, 0o644, 0o400])('of mode %o is read', async (mode) => {
    expect(await readOwnFile(await aFile(mode))).toBe('text');
  });

  it.each([0o666, 0o620, 0o602])('of mode %o is not believed', async (mode) => {
    await expect(readOwnFile(await aFile(mode))).rejects.toThrow(
      `its mode is 0${mode.toString(8)}, so others may have written it`,
    );
  });

  it('that is a folder, or is not there, is none', async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, 'file'));
    await expect(readOwnFile(join(folder, 'file'))).rejects.toThrow('it is no regular file');
    await expect(readOwnFile(join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it.runIf(process.getuid?.() === 0)('of another user is not believed', async () => {
    const path = await aFile(0o600);
    await chown(path, NOBODY, NOBODY);
    await expect(readOwnFile(path)).rejects.toThrow(`it belongs to the user ${NOBODY}`);
  });

  it('that others may have written is an error that names it, whatever is in it', async () => {
    const path = await aFile(0o666);
    for (const load of [loadState, loadRegistrations, loadSwitchedOff]) {
      await expect(load(path)).rejects.toMatchObject({
        code: 'ERR_STATE_DIR',
        message: expect.stringMatching(`${path}.*others may have written it`) as string,
      });
    }
  });
});
