import type { ClientConfig } from 'pg';
import type { SocketSet } from './socket-set.ts';

const KEEP_ALIVE_DELAY_MS = 10_000;

/** How to reach the database, and how long to wait for it. `url` is a secret. */
export interface PostgresConnectionOptions {
  readonly url: string;
  readonly connectTimeoutMs: number;
  readonly queryTimeoutMs: number;
}

/** The settings of every pg client of the daemon; a statement is bounded on both sides of the wire. */
export function clientConfig(options: PostgresConnectionOptions, sockets: SocketSet): ClientConfig {
  return {
    connectionString: options.url,
    application_name: 'edgeproxy',
    connectionTimeoutMillis: options.connectTimeoutMs,
    query_timeout: options.queryTimeoutMs,
    statement_timeout: options.queryTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    stream: sockets.create,
  };
}
