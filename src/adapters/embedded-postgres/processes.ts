import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

/** A live process; zombies are not alive. */
export interface ProcessInfo {
  readonly pid: number;
  readonly stopped: boolean;
}

const RECHECK_MS = 2;

/**
 * Every live process whose command line holds `tag`.
 *
 * PostgreSQL children leave the process group of their server and lose their parent when it is killed; what they
 * keep is the cluster name in their title.
 */
export function processesTagged(tag: string): Promise<readonly ProcessInfo[]> {
  return process.platform === 'linux' ? fromProc(tag) : fromPs(tag);
}

/** Sends `SIGKILL` to every process with the tag until there is none left. */
export async function killTagged(tag: string): Promise<void> {
  const alive = await processesTagged(tag);
  if (alive.length === 0) return;
  for (const { pid } of alive) signalProcess(pid, 'SIGKILL');
  await delay(RECHECK_MS);
  await killTagged(tag);
}

/** Sends `SIGSTOP` to every process with the tag until all are stopped; resolves with their ids. */
export async function stopTagged(tag: string): Promise<readonly number[]> {
  const alive = await processesTagged(tag);
  const moving = alive.filter(({ stopped }) => !stopped);
  if (moving.length === 0) return alive.map(({ pid }) => pid);
  for (const { pid } of moving) signalProcess(pid, 'SIGSTOP');
  await delay(RECHECK_MS);
  return stopTagged(tag);
}

/** Sends a signal; a process that is already gone is no error. */
export function signalProcess(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && Reflect.get(error, 'code') === 'ESRCH')) throw error;
  }
}

async function fromProc(tag: string): Promise<readonly ProcessInfo[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    names.map(async (name) => {
      const commandLine = await readFile(`/proc/${name}/cmdline`, 'latin1').catch(() => '');
      if (!commandLine.includes(tag)) return undefined;
      const stat = await readFile(`/proc/${name}/stat`, 'latin1').catch(() => '');
      const state = stat.slice(stat.lastIndexOf(')') + 2)[0];
      return state === undefined || state === 'Z' || state === 'X'
        ? undefined
        : { pid: Number(name), stopped: state === 'T' };
    }),
  );
  return found.filter((info) => info !== undefined);
}

async function fromPs(tag: string): Promise<readonly ProcessInfo[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'pid=,state=,command='], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout
    .split('\n')
    .filter((line) => line.includes(tag))
    .map((line) => line.trim().split(/\s+/))
    .filter(([, state]) => state?.startsWith('Z') === false)
    .map(([pid, state]) => ({ pid: Number(pid), stopped: state?.startsWith('T') === true }));
}
