import type { FailureCause } from '../domain/outcome.ts';

const CAUSES: Readonly<Record<string, FailureCause>> = {
  ECONNREFUSED: 'refused',
  ETIMEDOUT: 'timeout',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EHOSTDOWN: 'unreachable',
  ENETDOWN: 'unreachable',
  ECONNRESET: 'reset',
  ECONNABORTED: 'reset',
};

/** The daemon has run out of something that no other backend would need less of. */
const EXHAUSTED: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

/**
 * What a failed connect says about the backend.
 *
 * A cause is charged to it. `exhausted` is the daemon's own want of descriptors or memory: no other backend is worth
 * trying. `local` is trouble of this machine with this one address (no free port towards it, no address family, no
 * permission): charged to nobody, and the next backend may do.
 */
export function classifyConnectError(code: string | undefined): FailureCause | 'exhausted' | 'local' {
  if (code === undefined) return 'local';
  return EXHAUSTED.has(code) ? 'exhausted' : (CAUSES[code] ?? 'local');
}
