import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { loadKeptToken } from '../../../src/adapters/file/kept-token.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const isRoot = process.getuid?.() === 0;

async function aTokenFile(content: string, mode = 0o600) {
  const folder = await temporaryFolder();
  const path = join(folder, 'admin-token');
  await writeFile(path, content);
  await chmod(path, mode);
  return { folder, path };
}

describe('the token of a listener', () => {
  it('is made at the first start, for this user alone, and kept', async () => {
    const folder = join(await temporaryFolder(), 'state');
    const first = await loadKeptToken(folder, 'admin');
    expect(first).toEqual({
      token: expect.stringMatching(/^[\w-]{43}$/),
      path: join(folder, 'admin-token'),
      isNew: true,
    });
    expect((await stat(first.path)).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect(await loadKeptToken(folder, 'admin')).toEqual({ ...first, isNew: false });
    expect(await readdir(folder)).toEqual(['admin-token']);
  });

  it('is one token for daemons that start at one time', async () => {
    const folder = await temporaryFolder();
    const all = await Promise.all(Array.from({ length: 20 }, () => loadKeptToken(folder, 'admin')));
    expect(new Set(all.map(({ token }) => token)).size).toBe(1);
    expect(all.filter(({ isNew }) => isNew)).toHaveLength(1);
    expect(await readdir(folder)).toEqual(['admin-token']);
  });

  it('may be one that an operator wrote', async () => {
    const { folder } = await aTokenFile('an-operator-chose-this-one\n');
    expect(await loadKeptToken(folder, 'admin')).toMatchObject({
      token: 'an-operator-chose-this-one',
      isNew: false,
    });
  });

  it.each([0o644, 0o640, 0o604, 0o660])(
    'is refused when others may read or write it (mode %o)',
    async (mode) => {
      const { folder, path } = await aTokenFile('an-operator-chose-this-one\n', mode);
      await expect(loadKeptToken(folder, 'admin')).rejects.toMatchObject({
        code: 'ERR_STATE_DIR',
        message: expect.stringMatching(/mode is 0\d{3}.*chmod 600/),
      });
      expect(await readFile(path, 'utf8')).toBe('an-operator-chose-this-one\n');
    },
  );

  it.each(['', '\n', 'short', 'two words that are no token at all', 'x'.repeat(5_000)])(
    'is refused when it is damaged: %j',
    async (content) => {
      const { folder } = await aTokenFile(content);
      const loading = loadKeptToken(folder, 'admin');
      await expect(loading).rejects.toMatchObject({ code: 'ERR_STATE_DIR' });
      if (content.length > 6) await expect(loading).rejects.not.toThrow(content);
    },
  );

  it('is refused when it is a link', async () => {
    const { path } = await aTokenFile('an-operator-chose-this-one\n');
    const folder = await temporaryFolder();
    await symlink(path, join(folder, 'admin-token'));
    await expect(loadKeptToken(folder, 'admin')).rejects.toThrow('symbolic link');
  });

  it('is refused when it is a FIFO that nobody writes into, or a folder', async () => {
    const [fifo, folder] = [await temporaryFolder(), await temporaryFolder()];
    await promisify(execFile)('mkfifo', ['-m', '600', join(fifo, 'admin-token')]);
    await mkdir(join(folder, 'admin-token'), { mode: 0o700 });
    for (const stateDir of [fifo, folder]) {
      await expect(loadKeptToken(stateDir, 'admin')).rejects.toMatchObject({
        code: 'ERR_STATE_DIR',
        message: `the admin token in ${join(stateDir, 'admin-token')} cannot be used: it is no regular file; remove it for a new one`,
      });
    }
  });

  it.runIf(isRoot)('is refused when it belongs to somebody else', async () => {
    const { folder, path } = await aTokenFile('an-operator-chose-this-one\n');
    await chown(path, 12_345, 12_345);
    await expect(loadKeptToken(folder, 'admin')).rejects.toThrow('belongs to the user 12345');
  });

  it('is refused when its folder is no folder', async () => {
    const { path } = await aTokenFile('an-operator-chose-this-one\n');
    await expect(loadKeptToken(path, 'admin')).rejects.toMatchObject({ code: 'ERR_STATE_DIR' });
  });
});
