import { execFile, spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { once, tcpConnect } from './sockets.ts';
import { temporaryFolder } from './temporary-folder.ts';
import { until } from './until.ts';

/** Whether this machine has Debian's HAProxy, or another one. */
export async function hasHaproxy(): Promise<boolean> {
  try {
    await promisify(execFile)('haproxy', ['-v']);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/**
 * An HAProxy that is gone when the running test ends.
 *
 * @param sections its `listen`, `frontend` and `backend` sections
 * @param port one that it listens on
 */
export async function anHaproxy(sections: string, port: number): Promise<void> {
  const path = join(await temporaryFolder(), 'haproxy.cfg');
  const timeouts = ['connect', 'client', 'server'].map((name) => `  timeout ${name} 20s\n`).join('');
  await writeFile(path, `global\n  nbthread 1\ndefaults\n  mode tcp\n${timeouts}\n${sections}`);
  const child = spawn('haproxy', ['-db', '-f', path], { stdio: ['ignore', 'ignore', 'pipe'] });
  let [errors, isOver] = ['', false];
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const exited = once(child, 'close').then(() => (isOver = true));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  await until(
    async () => {
      if (isOver) throw new Error(`haproxy has ended: ${errors}`);
      const socket = await tcpConnect(port).catch(() => undefined);
      socket?.destroy();
      return socket !== undefined;
    },
    { what: `haproxy on port ${port}` },
  );
}
