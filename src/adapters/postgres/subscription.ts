import { randomUUID } from 'node:crypto';
import pgListen from 'pg-listen';
import type {
  OpenSubscription,
  SubscriptionHandlers,
  SubscriptionSession,
} from '../../domain/backend-source.ts';
import { EdgeProxyError } from '../../errors.ts';
import { clientConfig, type PostgresConnectionOptions } from './client-config.ts';
import { databaseLabel } from './database-url.ts';
import { CHANGES_CHANNEL } from './names.ts';
import { postgresError } from './postgres-error.ts';
import { createSocketSet } from './socket-set.ts';

const CLOSE_GRACE_MS = 500;

/** What a daemon sends to itself on the channel of the changes; every other payload is a hint. */
const BEAT_PREFIX = 'heartbeat:';

/**
 * One session, from its connection to its end.
 *
 *     connect ──► LISTEN ──► open ──► lost | closed
 *
 * pg-listen is told to fail at once instead of reconnecting: its endless retry cannot be stopped by `close()`
 * (andywer/pg-listen#56, #61), and the backoff belongs to the statechart.
 */
class Session implements SubscriptionSession {
  readonly #label: string;
  readonly #handlers: SubscriptionHandlers;
  readonly #sockets = createSocketSet();
  readonly #subscriber;
  readonly #echoes = new Map<string, PromiseWithResolvers<void>>();
  /** Rejects when the session ends: pg leaves a `connect()` that was cut short unsettled. */
  readonly #ended = Promise.withResolvers<never>();
  #state: 'opening' | 'open' | 'lost' | 'closed' = 'opening';
  #closing: Promise<void> | undefined;

  constructor(options: PostgresConnectionOptions, label: string, handlers: SubscriptionHandlers) {
    this.#label = label;
    this.#handlers = handlers;
    this.#ended.promise.catch(() => undefined);
    this.#subscriber = pgListen.default(clientConfig(options, this.#sockets), {
      retryLimit: 1,
      paranoidChecking: false,
      parse: String,
      serialize: String,
    });
    this.#subscriber.events.on('notification', ({ channel, payload }) => {
      if (channel === CHANGES_CHANNEL) this.#receive(typeof payload === 'string' ? payload : '');
    });
    this.#subscriber.events.on('error', () => this.#lose());
  }

  async open(): Promise<void> {
    try {
      await Promise.race([this.#listen(), this.#ended.promise]);
    } catch (thrown) {
      throw postgresError(this.#label, 'cannot listen', thrown);
    }
  }

  async beat(timeoutMs: number): Promise<void> {
    if (this.#state !== 'open') throw this.#failure(`no heartbeat in a session that is ${this.#state}`);
    const token = randomUUID();
    const echo = Promise.withResolvers<void>();
    const timer = setTimeout(
      () => echo.reject(this.#failure(`no heartbeat within ${timeoutMs} ms`)),
      timeoutMs,
    );
    this.#echoes.set(token, echo);
    this.#subscriber
      .notify(CHANGES_CHANNEL, `${BEAT_PREFIX}${token}`)
      .catch((thrown: unknown) => echo.reject(postgresError(this.#label, 'the heartbeat failed', thrown)));
    try {
      await echo.promise;
    } finally {
      clearTimeout(timer);
      this.#echoes.delete(token);
    }
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#end('closed'));
  }

  async #listen(): Promise<void> {
    await this.#subscriber.connect();
    await this.#subscriber.listenTo(CHANGES_CHANNEL);
    if (this.#state === 'opening') this.#state = 'open';
  }

  #receive(payload: string): void {
    if (payload.startsWith(BEAT_PREFIX)) this.#echoes.get(payload.slice(BEAT_PREFIX.length))?.resolve();
    else if (this.#state === 'open') this.#handlers.onNotified();
  }

  /** pg-listen keeps the reason to itself: it tells only that the session ended. */
  #lose(): void {
    const wasOpen = this.#state === 'open';
    if (this.#state === 'closed' || this.#state === 'lost') return;
    this.#closing = this.#end('lost');
    if (wasOpen) this.#handlers.onLost(this.#failure('the LISTEN session was lost'));
  }

  async #end(state: 'lost' | 'closed'): Promise<void> {
    this.#state = state;
    const ended = this.#failure(`the session was ${state}`);
    for (const echo of this.#echoes.values()) echo.reject(ended);
    this.#ended.reject(ended);
    // The farewell may fail or stay unanswered; either way the sockets below decide when it is over.
    this.#subscriber.close().catch(() => undefined);
    await this.#sockets.settle(state === 'lost' ? 0 : CLOSE_GRACE_MS);
  }

  #failure(problem: string): EdgeProxyError {
    return new EdgeProxyError('ERR_POSTGRES', `${problem} at ${this.#label}`);
  }
}

/**
 * The LISTEN sessions of a database, one pg-listen subscriber each.
 *
 * A heartbeat is a notification with a random token on the channel of the changes itself, so its echo proves the
 * session, the LISTEN and the way of a notification at once, as `pg_listening_channels()` could not. Throws
 * `ERR_SETTINGS_INVALID` for a wrong URL. Needs a direct session: a transaction pooler loses the LISTEN.
 */
export function createOpenSubscription(options: PostgresConnectionOptions): OpenSubscription {
  const label = databaseLabel(options.url);
  return async (handlers, signal) => {
    if (signal.aborted) throw new EdgeProxyError('ERR_POSTGRES', `no session is wanted any more at ${label}`);
    const session = new Session(options, label, handlers);
    const onAbort = (): void => void session.close();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await session.open();
      return session;
    } catch (thrown) {
      await session.close();
      throw thrown;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  };
}
