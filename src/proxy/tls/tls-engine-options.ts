import type { Logger, MonotonicClock } from '../../domain/ports.ts';
import type { Apps } from '../apps.ts';
import type { ReclaimOptions } from '../epoll/reclaim.ts';
import type { TlsThreadSettings } from './tls-thread.ts';
import type { TlsWorkerOptions } from './tls-worker.ts';

export interface TlsEngineOptions extends ReclaimOptions, Pick<TlsWorkerOptions, 'module'> {
  readonly threads: number;
  readonly apps: Apps;
  /** The number of its first thread among all that relay. */
  readonly firstThread: number;
  readonly settings: Omit<TlsThreadSettings, 'thread' | 'tlsThread' | 'sharesPort' | 'ledger'>;
  readonly logger: Logger;
  readonly now: MonotonicClock;
  /** New clients are routed by this set, or a newer one, from now on; by no thread by an older one. */
  readonly onInForce: (setVersion: number) => void;
  /** Whether a success would tell the breaker of an incarnation nothing. */
  readonly isAtEase: (incarnation: string) => boolean;
  /** Nobody is accepted any more. */
  readonly onDraining: () => void;
}
