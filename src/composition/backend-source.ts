import { type Observable, of } from 'rxjs';
import type { AnyActorRef } from 'xstate';
import type { PostgresPool } from '../adapters/postgres/pool.ts';
import type { Settings } from '../config/schema.ts';
import { type Backend, parseBackendRows } from '../domain/backend.ts';

/** A database whose changes are heard. */
export interface Database {
  readonly pool: PostgresPool;
  /** Something may have changed in it. */
  readonly hints$: Observable<unknown>;
  /** Resolves when the table of backends is there, which is made before any other. */
  readonly initialized: Promise<void>;
}

/** Where the wanted backends come from, for as long as the daemon lives. */
export interface BackendSource {
  /** The newest list first, then every change. */
  readonly backends$: Observable<readonly Backend[]>;
  /** The actor that watches, where there is one. */
  readonly subscription: AnyActorRef | undefined;
  /** The database that they come from, where there is one: others may read in it, until `stop()`. */
  readonly database: Database | undefined;
  /** Begins to watch; resolves when the first answer is there, be it that there is none to be had for now. */
  start(): Promise<void>;
  /** Stops watching and releases everything; a `start()` under way resolves. */
  stop(): Promise<void>;
}

/** The `[[backends]]` tables of the file. */
export function staticBackends({ backends }: Settings): BackendSource {
  const rows = backends.map(({ health, ...row }) => ({ ...row, health_check: health }));
  return {
    subscription: undefined,
    database: undefined,
    backends$: of(parseBackendRows(rows).backends),
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  };
}
