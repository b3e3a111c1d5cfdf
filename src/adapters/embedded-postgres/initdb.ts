import { spawn } from 'node:child_process';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { programEnvironment } from './binaries.ts';
import { failure } from './failure.ts';
import type { Home } from './home.ts';
import type { LogTail } from './log-tail.ts';

/**
 * Creates the database files (UTF-8, C locale, superuser `postgres`, no passwords) unless the folder holds a
 * cluster already. Fails with `ERR_EMBEDDED_POSTGRES` and what `initdb` said.
 */
export async function createDatabaseFiles(home: Home, log: LogTail): Promise<void> {
  const { account, binaries, dataDir, watchdog } = home;
  if (await holdsCluster(dataDir)) return;
  const args = ['-D', dataDir, '--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C'];
  const child = spawn(binaries.initdb, [...args, '--no-sync', '--no-instructions'], {
    cwd: '/',
    env: programEnvironment(binaries),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...account,
  });
  if (child.pid !== undefined) watchdog.protect([child.pid]);
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => log.push(line));
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  }).catch((cause: unknown) => {
    throw failure(`the program ${binaries.initdb} cannot be run (on Linux it needs glibc)`, log, cause);
  });
  watchdog.protect([]);
  if (code !== 0) throw failure(`the database files cannot be created in ${dataDir}`, log);
}

function holdsCluster(dataDir: string): Promise<boolean> {
  return access(join(dataDir, 'PG_VERSION')).then(
    () => true,
    () => false,
  );
}
