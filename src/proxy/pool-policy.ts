import { type BackoffOptions, backoffDelayMs } from '../domain/backoff.ts';
import type { Random } from '../domain/ports.ts';
import type { DiscardReason, PoolSettings } from '../domain/pool.ts';

/** How far back the arrival rate looks, and how much a new connect time counts against the earlier ones. */
const RATE_WINDOW_MS = 1_000;
const CONNECT_WEIGHT = 0.25;

/** Deviations of the number of arrivals, as it varies by chance, that the pool is prepared for. */
const DEVIATIONS = 2;

const BACKOFF: BackoffOptions = { baseMs: 500, maxMs: 30_000 };

/** How often all connections are looked at, at most and at least, and how many times within a timeout. */
const LONGEST_SWEEP_MS = 500;
const SHORTEST_SWEEP_MS = 10;
const SWEEPS_PER_TIMEOUT = 4;

/** Milliseconds between two looks at all connections of a pool. */
export function poolSweepMs({ idleTimeoutMs, maxLifetimeMs, connectTimeoutMs }: PoolSettings): number {
  const shortest = Math.min(idleTimeoutMs, maxLifetimeMs, connectTimeoutMs) / SWEEPS_PER_TIMEOUT;
  return Math.max(SHORTEST_SWEEP_MS, Math.min(LONGEST_SWEEP_MS, shortest));
}

/** Why a connection is too old to be kept, if it is. All times on one scale. @param sinceMs nobody has had it */
export function discardByTime(
  connection: { readonly isConnecting: boolean; readonly bornMs: number; readonly sinceMs: number },
  nowMs: number,
  { idleTimeoutMs, maxLifetimeMs }: PoolSettings,
): DiscardReason | undefined {
  const { isConnecting, bornMs, sinceMs } = connection;
  if (isConnecting) return undefined;
  if (nowMs - bornMs >= maxLifetimeMs) return 'lifetime';
  return nowMs - sinceMs >= idleTimeoutMs ? 'idle' : undefined;
}

/**
 * How many warm connections one backend should have. Pure: time is a parameter, in milliseconds on any scale that
 * does not go back.
 *
 *     wanted = n + 2 √n + 1,  n = arrivals per second (moving average) × seconds that a connect takes (moving average)
 *
 * So many arrive while a replacement is being opened, and seldom more: the arrivals of independent clients vary by
 * the root of their number. Nobody is prepared for after a silence of the idle timeout, nor beyond the cap.
 */
export class PoolPolicy {
  readonly #settings: PoolSettings;
  readonly #random: Random;
  #arrivedMs = -Infinity;
  /** Arrivals per millisecond, at the time of the last one. */
  #rate = 0;
  #connectMs = 0;
  #hasConnected = false;
  #failures = 0;
  #retryMs = -Infinity;

  constructor(settings: PoolSettings, random: Random) {
    this.#settings = settings;
    this.#random = random;
  }

  /** A client has come to this backend. */
  arrived(nowMs: number): void {
    this.#rate = this.#rateAt(nowMs) + 1 / RATE_WINDOW_MS;
    this.#arrivedMs = nowMs;
  }

  /** A connection has been opened. */
  connected(tookMs: number): void {
    const weight = this.#hasConnected ? CONNECT_WEIGHT : 1;
    this.#connectMs += (tookMs - this.#connectMs) * weight;
    this.#hasConnected = true;
  }

  /**
   * A connection could not be opened, or has died unused: waits before the next one, longer each time. What fails
   * while it waits makes it no longer.
   */
  failed(nowMs: number): void {
    if (nowMs < this.#retryMs) return;
    this.#retryMs = nowMs + backoffDelayMs(++this.#failures, BACKOFF, this.#random());
  }

  /** A client has been given a warm connection: the next wait begins small again. */
  served(): void {
    this.#failures = 0;
  }

  /** May connections be opened now, as far as earlier ones tell? */
  mayConnect(nowMs: number): boolean {
    return nowMs >= this.#retryMs;
  }

  /** Connections that should be warm or being opened now. */
  wanted(nowMs: number): number {
    const { idleTimeoutMs, maxPerBackend } = this.#settings;
    if (nowMs - this.#arrivedMs >= idleTimeoutMs) return 0;
    const arrivals = this.#rateAt(nowMs) * this.#connectMs;
    return Math.min(maxPerBackend, Math.ceil(arrivals + DEVIATIONS * Math.sqrt(arrivals) + 1));
  }

  #rateAt(nowMs: number): number {
    return this.#rate * Math.exp((this.#arrivedMs - nowMs) / RATE_WINDOW_MS);
  }
}
