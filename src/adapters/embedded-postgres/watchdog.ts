import { spawn } from 'node:child_process';
import type { ServerAccount } from './account.ts';

/**
 * Takes the server down when its owner ends without stopping it, even by `SIGKILL`.
 *
 * A shell that waits for the end of its standard input, which only the owner holds open:
 *
 *   owner --- "<server pid> <frozen pids>" ---> shell --- owner gone ---> SIGCONT, SIGINT, remove the folder
 */
export interface Watchdog {
  /** Replaces what to take down: the server first, then those of its children that are frozen. */
  protect(pids: readonly number[]): void;
  /** Ends the watchdog without effect; resolves when its process is gone. */
  dismiss(): Promise<void>;
}

const SCRIPT = `
while read -r line; do pids=$line; done
server=\${pids%% *}
if [ -n "$server" ]; then
  kill -CONT $pids
  kill -INT $server
  left=300
  while kill -0 $server && [ $left -gt 0 ]; do left=$((left - 1)); sleep 0.1; done
fi
rm -rf -- "$1"
`;

/** @param folder removed when the owner is gone; must belong to the account */
export function startWatchdog(folder: string, account: ServerAccount | undefined): Watchdog {
  const shell = spawn('/bin/sh', ['-c', SCRIPT, 'edgeproxy-watchdog', folder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    ...account,
  });
  const gone = new Promise<void>((resolve) => {
    shell.once('exit', () => resolve());
    // Without a shell there is no safety net, and nothing else is worse.
    shell.once('error', () => resolve());
  });
  shell.stdin.on('error', () => {});
  shell.unref();
  return {
    protect: (pids) => void shell.stdin.write(`${pids.join(' ')}\n`),
    dismiss() {
      shell.ref();
      shell.kill('SIGKILL');
      return gone;
    },
  };
}
