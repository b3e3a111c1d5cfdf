import type { MessagePort } from 'node:worker_threads';
import type { FailureCause } from '../../domain/outcome.ts';
import type { Logger } from '../../domain/ports.ts';
import type { App } from '../apps.ts';
import type { EngineLists } from '../engine-lists.ts';
import type { RouteTable } from '../routes.ts';

/** What a data thread is told; each message is followed by a write to its eventfd. */
export type Command =
  | { readonly type: 'route'; readonly table: RouteTable }
  /** The shared numbers have changed, and these lists: says so when it goes by all of them. */
  | { readonly type: 'configure'; readonly version: number; readonly lists: Partial<EngineLists> }
  /** Ends the connections of a backend. */
  | { readonly type: 'cut'; readonly tenancy: number }
  /** Accepts clients of an app from a listener from now on, and owns it. */
  | { readonly type: 'adopt'; readonly listener: number; readonly app: App }
  /** The clients of a listener, if it has it still, are those of another app from now on. */
  | { readonly type: 'serve'; readonly listener: number; readonly app: App }
  /** Gives a listener back, open. */
  | { readonly type: 'release'; readonly listener: number }
  /** Accepts who has come to a listener already, and closes it. */
  | { readonly type: 'retire'; readonly listener: number; readonly isShared: boolean }
  /** Accepts who has come already, closes its listeners, and says when the last client has gone. */
  | { readonly type: 'drain' }
  /** Drains, and ends what is left over this time. */
  | { readonly type: 'close'; readonly spreadMs: number };

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

export interface LogLine {
  readonly level: LogLevel;
  readonly fields: object;
  readonly message: string;
}

/** What an outcome message says: `OUTCOME_CELLS` numbers an outcome. */
export const OUTCOME_CODES = [
  'trial',
  'success',
  'refused',
  'timeout',
  'unreachable',
  'reset',
  'closed_before_first_byte',
  'first_byte_timeout',
] as const satisfies readonly ('trial' | 'success' | FailureCause)[];

export type OutcomeCode = (typeof OUTCOME_CODES)[number];

/** Tenancy, epoch, index into `OUTCOME_CODES`, and the error below zero or 0. */
export const OUTCOME_CELLS = 4;

/** What a data thread tells, once in a while or once a batch. */
export type Report =
  | { readonly type: 'ready' }
  | { readonly type: 'inForce'; readonly version: number }
  | { readonly type: 'configured'; readonly version: number }
  | { readonly type: 'outcomes'; readonly cells: readonly number[] }
  | { readonly type: 'log'; readonly lines: readonly LogLine[] }
  | { readonly type: 'released'; readonly listener: number }
  /** It is about to close one. */
  | { readonly type: 'retired'; readonly listener: number }
  /** It is about to close its listeners. */
  | { readonly type: 'closed' }
  /** Its listeners are closed and its last client has gone. */
  | { readonly type: 'drained' };

/** Gathers what a thread has to tell and sends it at the end of a batch. */
export class Outbox {
  /** Writes lines that the main thread logs. */
  readonly logger: Logger = {
    error: (fields, message) => this.log('error', fields, message),
    warn: (fields, message) => this.log('warn', fields, message),
    info: (fields, message) => this.log('info', fields, message),
    debug: (fields, message) => this.log('debug', fields, message),
  };
  readonly #port: MessagePort;
  #outcomes: number[] = [];
  #lines: LogLine[] = [];

  constructor(port: MessagePort) {
    this.#port = port;
  }

  outcome(tenancy: number, epoch: number, code: OutcomeCode, error = 0): void {
    this.#outcomes.push(tenancy, epoch, OUTCOME_CODES.indexOf(code), error);
  }

  log(level: LogLevel, fields: object, message: string): void {
    this.#lines.push({ level, fields, message });
  }

  tell(report: Report): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    this.#port.postMessage(report);
  }

  flush(): void {
    if (this.#outcomes.length > 0) {
      this.tell({ type: 'outcomes', cells: this.#outcomes });
      this.#outcomes = [];
    }
    if (this.#lines.length > 0) {
      this.tell({ type: 'log', lines: this.#lines });
      this.#lines = [];
    }
  }
}
