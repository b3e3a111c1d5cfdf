import { spawn } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { once } from './sockets.ts';

const SCRIPT = new URL('http-backend-process.ts', import.meta.url).pathname;

/** An HTTP backend in a process of its own, which answers with its name. */
export interface BackendProcess {
  readonly port: number;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Resolves with the exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;
}

/**
 * Starts a backend process that is gone when the running test ends.
 *
 * @param places how many connections a proxy may have with it; see `http-backend-process.ts`
 */
export async function aBackendProcess(name: string, places: number): Promise<BackendProcess> {
  const child = spawn(process.execPath, [SCRIPT, name, String(places)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const [port] = await once(child.stdout, 'data');
  return { port: Number(String(port)), kill: (signal) => void child.kill(signal), exited };
}
