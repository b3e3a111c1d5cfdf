import { chown, mkdir, mkdtemp, readdir, readFile, realpath, rm } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { EdgeProxyError, messageOf } from '../../errors.ts';
import { firstBarrier, serverAccount, type ServerAccount } from './account.ts';
import { locateBinaries, prepareBinaries, type Binaries } from './binaries.ts';
import { startWatchdog, type Watchdog } from './watchdog.ts';

/** What a cluster needs on disk, and who watches over it. */
export interface Home {
  readonly account: ServerAccount | undefined;
  readonly binaries: Binaries;
  readonly dataDir: string;
  readonly watchdog: Watchdog;
  /** Removes what `openHome` created, except a data folder that the caller named. */
  remove(): Promise<void>;
}

/**
 * Prepares the folders and binaries of a cluster.
 *
 * @param dataDir where the data shall live; a private temporary folder when absent. Fails with
 *   `ERR_EMBEDDED_POSTGRES` when a folder cannot be used.
 */
export async function openHome(dataDir: string | undefined): Promise<Home> {
  const account = serverAccount();
  const nativeDir = locateBinaries();
  const privateDir = await createPrivateDir(account);
  const watchdog = startWatchdog(privateDir, account);
  const remove = async () => {
    await watchdog.dismiss();
    if (dataDir === undefined) await releaseSharedMemory(join(privateDir, 'data'), account);
    await rm(privateDir, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    const binaries = await prepareBinaries(nativeDir, account, privateDir);
    const usedDataDir = dataDir === undefined ? join(privateDir, 'data') : resolve(dataDir);
    await claimDataDir(usedDataDir, account);
    return { account, binaries, dataDir: usedDataDir, watchdog, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function createPrivateDir(account: ServerAccount | undefined): Promise<string> {
  const parent = [tmpdir(), '/tmp'].find((folder) => firstBarrier(folder, account) === undefined);
  if (parent === undefined) throw barrierError(tmpdir(), account);
  try {
    const folder = await mkdtemp(join(await realpath(parent), 'edgeproxy-postgres-'));
    if (account !== undefined) await chown(folder, account.uid, account.gid);
    return folder;
  } catch (cause) {
    throw folderError(parent, cause);
  }
}

async function claimDataDir(dataDir: string, account: ServerAccount | undefined): Promise<void> {
  const parent = dirname(dataDir);
  await mkdir(parent, { recursive: true }).catch((cause: unknown) => {
    throw folderError(dataDir, cause);
  });
  const barrier = firstBarrier(parent, account);
  if (barrier !== undefined) throw barrierError(barrier, account);
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const empty = (await readdir(dataDir)).length === 0;
    if (account !== undefined && empty) await chown(dataDir, account.uid, account.gid);
  } catch (cause) {
    throw folderError(dataDir, cause);
  }
}

function folderError(folder: string, cause: unknown): EdgeProxyError {
  const message = `the folder ${folder} cannot be used for PostgreSQL data: ${messageOf(cause)}`;
  return new EdgeProxyError('ERR_EMBEDDED_POSTGRES', message, { cause });
}

function barrierError(folder: string, account: ServerAccount | undefined): EdgeProxyError {
  return new EdgeProxyError(
    'ERR_EMBEDDED_POSTGRES',
    `PostgreSQL cannot run as root, and the user it runs as (uid ${account?.uid}) cannot enter ${folder}: ` +
      'choose another folder, or run as a plain user',
  );
}

/**
 * Gives back the System V segment that a killed server leaves behind; a new server on the same data would reuse
 * it, but this data goes away. Best effort: the segment is tiny and `ipcrm` need not exist.
 */
async function releaseSharedMemory(dataDir: string, account: ServerAccount | undefined): Promise<void> {
  const lockFile = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '');
  const segmentId = lockFile.split('\n')[6]?.trim().split(/\s+/)[1];
  if (segmentId === undefined) return;
  await new Promise<void>((done) => {
    execFile('ipcrm', ['-m', segmentId], { cwd: '/', ...account }, () => done());
  });
}
