import type { Backend, SkippedRow } from './backend.ts';

/**
 * The backends as one read of the database gave them, when they differ from the read before.
 *
 * `hintedAtMs` is the monotonic time of the oldest hint that this read answers, `undefined` for a read that the
 * poll started; `readMs` is how long the read took.
 */
export interface RowsUpdate {
  readonly backends: readonly Backend[];
  readonly skipped: readonly SkippedRow[];
  readonly hintedAtMs: number | undefined;
  readonly readMs: number;
  readonly source: 'database';
}

/** What a subscription session tells its owner; nothing more after `onLost` or after `close()` was called. */
export interface SubscriptionHandlers {
  /** Somebody notified the channel: a hint that the rows may have changed. */
  readonly onNotified: () => void;
  /** The session is dead and released. Called once at most. */
  readonly onLost: (error: Error) => void;
}

/** One LISTEN session with the database; it never reconnects by itself. */
export interface SubscriptionSession {
  /**
   * Proves that a notification still arrives; rejects with `ERR_POSTGRES` within `timeoutMs` otherwise.
   * One at a time; a session that failed a beat is to be closed.
   */
  beat(timeoutMs: number): Promise<void>;
  /** Ends the session. Never rejects, and resolves in bounded time also when the database does not answer. */
  close(): Promise<void>;
}

/**
 * Opens a session; resolves when LISTEN is in force, so that whatever is committed from then on is notified.
 * Rejects with `ERR_POSTGRES`, also when `signal` aborts; nothing stays open then.
 */
export type OpenSubscription = (
  handlers: SubscriptionHandlers,
  signal: AbortSignal,
) => Promise<SubscriptionSession>;
