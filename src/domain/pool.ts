/** What the pool of warm connections is allowed; times in milliseconds, all above 0. */
export interface PoolSettings {
  /** Connections that are kept, or being opened, for one backend, by all threads together. */
  readonly maxPerBackend: number;
  /** One that nobody has been given for so long is closed. Without a client for so long, none is opened. */
  readonly idleTimeoutMs: number;
  /** From when it was connected. */
  readonly maxLifetimeMs: number;
  readonly connectTimeoutMs: number;
}

/** Why a connection has left the pool without a client. */
export const DISCARD_REASONS = [
  'data',
  'closed',
  'error',
  'idle',
  'lifetime',
  'dead',
  'stale',
  'backend_left',
  'surplus',
  'descriptors',
  'shutdown',
] as const;

export type DiscardReason = (typeof DISCARD_REASONS)[number];

/** What the pool has done for one backend since its counters began. */
export interface BackendPoolReport {
  readonly backendId: string;
  /** Clients who were given a warm connection. */
  readonly hits: number;
  /** Clients who were not, as there was none. */
  readonly misses: number;
  /** Connections that are warm, or being opened to be, at the moment. */
  readonly warm: number;
}

/** The numbers of the pool at one moment; totals include backends that are gone. */
export interface PoolReport {
  readonly backends: readonly BackendPoolReport[];
  readonly discarded: Readonly<Record<DiscardReason, number>>;
  /** Connections that came back because their clients left without a byte. */
  readonly returned: number;
  /** Connections for the pool that could not be opened. */
  readonly connectFailures: number;
}
