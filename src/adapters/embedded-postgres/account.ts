import { statSync } from 'node:fs';
import { dirname } from 'node:path';

/** The user and group that the server runs as. */
export interface ServerAccount {
  readonly uid: number;
  readonly gid: number;
}

const NOBODY: ServerAccount = { uid: 65_534, gid: 65_534 };

/**
 * Whom to run PostgreSQL as: `nobody` when this process is root, because PostgreSQL refuses to run as root;
 * `undefined` (as we are) for everybody else.
 */
export function serverAccount(): ServerAccount | undefined {
  return process.getuid?.() === 0 ? NOBODY : undefined;
}

/** The first of `path` and its parent folders that the account may not read or enter, judged by mode bits. */
export function firstBarrier(path: string, account: ServerAccount | undefined): string | undefined {
  if (account === undefined) return undefined;
  const parent = dirname(path);
  const above = parent === path ? undefined : firstBarrier(parent, account);
  if (above !== undefined) return above;
  const { mode, uid, gid } = statSync(path);
  const granted = uid === account.uid ? mode >> 6 : gid === account.gid ? mode >> 3 : mode;
  return (granted & 1) === 1 ? undefined : path;
}
