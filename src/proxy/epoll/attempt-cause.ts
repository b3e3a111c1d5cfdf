import type { FailureCause } from '../../domain/outcome.ts';
import { classifyConnectError } from '../connect-error.ts';
import { errorNameOf } from './errno.ts';

/** Why a connect has ended without a connection: an error of the kernel, below zero, or that the backend is to be left. */
export const ABANDONED = 1;

export type AttemptCause = ReturnType<typeof classifyConnectError> | 'abandoned';

export function causeOf(error: number): AttemptCause {
  return error === ABANDONED ? 'abandoned' : classifyConnectError(errorNameOf(error));
}

/** What is the backend's fault, and nobody else's. */
export function isCharged(cause: AttemptCause): cause is FailureCause {
  return !isLocal(cause) && cause !== 'abandoned';
}

/** What lies with this machine. */
export function isLocal(cause: AttemptCause): cause is 'exhausted' | 'local' {
  return cause === 'exhausted' || cause === 'local';
}
