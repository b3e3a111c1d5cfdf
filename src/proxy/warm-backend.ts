import type { PoolPolicy } from './pool-policy.ts';

/** One connection in the pool. */
export interface Warm<Socket> {
  readonly socket: Socket;
  readonly backend: BackendPool<Socket>;
  isConnecting: boolean;
  /** When its connect began, then when it was connected. */
  bornMs: number;
  /** Since when nobody has had it. */
  sinceMs: number;
  /** What its connect took. */
  tookMs: number;
}

/** What is warm of one backend. */
export interface BackendPool<Socket> {
  readonly tenancy: number;
  readonly policy: PoolPolicy;
  /** The one that was used last is given out next: those that are too many grow old. */
  readonly idle: Warm<Socket>[];
  connecting: number;
}
