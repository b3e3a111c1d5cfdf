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

/**
 * What a failed connect says about the backend; `undefined` when it says nothing, because the daemon itself lacks
 * descriptors, ports, memory or permission (`EMFILE`, `EADDRNOTAVAIL`, …): never charged to a backend.
 */
export function causeOfConnectError(code: string | undefined): FailureCause | undefined {
  return code === undefined ? undefined : CAUSES[code];
}
