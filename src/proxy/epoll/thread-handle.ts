import { Worker } from 'node:worker_threads';
import type { Pointer, Sys } from '../sys/sys.ts';
import type { DataThreadSettings } from './data-thread.ts';
import { must } from './errno.ts';
import type { Command, Report } from './messages.ts';
import { Resetter } from './resetter.ts';
import { FLAG, newSocketTableMemory, SocketTable } from './socket-table.ts';

export interface ThreadHandleOptions {
  readonly sys: Sys;
  readonly thread: number;
  /** Rows of its table of descriptors; numbers from this one on are never used. */
  readonly mostDescriptors: number;
  /** The module that runs it, and what that module needs to know beside. */
  readonly module: URL;
  readonly moduleData: unknown;
  readonly settings: Omit<DataThreadSettings, 'thread' | 'sockets' | 'stopFlag' | 'wakeFd'>;
  readonly onReport: (report: Report) => void;
  /** It has ended by itself, which it never should. */
  readonly onDied: (error: unknown) => void;
}

/** A data thread as the main thread sees it: told by messages, woken by an eventfd, buried by its table. */
export class ThreadHandle {
  readonly #options: ThreadHandleOptions;
  readonly #stopFlag = new Int32Array(new SharedArrayBuffer(4));
  readonly #table: SocketTable;
  readonly #one = new BigUint64Array(new ArrayBuffer(8)).fill(1n);
  readonly #oneAt: Pointer;
  readonly #wakeFd: number;
  readonly #worker: Worker;
  readonly #ended = Promise.withResolvers<void>();
  #hasEnded = false;
  #failure: unknown = new Error('the thread has ended');

  constructor(options: ThreadHandleOptions) {
    this.#options = options;
    const { sys, thread, mostDescriptors, module, moduleData, settings } = options;
    const sockets = newSocketTableMemory(mostDescriptors);
    this.#table = new SocketTable(sockets);
    this.#oneAt = sys.addressOf(this.#one.buffer);
    this.#wakeFd = must(sys.eventfd(), 'eventfd');
    const own = { thread, sockets, stopFlag: this.#stopFlag, wakeFd: this.#wakeFd };
    try {
      this.#worker = new Worker(module, { workerData: { moduleData, settings: { ...settings, ...own } } });
    } catch (error) {
      sys.close(this.#wakeFd);
      throw error;
    }
    this.#worker.on('message', (report: Report) => options.onReport(report));
    this.#worker.on('error', (error) => (this.#failure = error));
    this.#worker.on('exit', () => this.#exited());
  }

  tell(command: Command): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    this.#worker.postMessage(command);
    this.#wake();
  }

  /** Resolves when it has ended. Its connections must have ended before. */
  stop(): Promise<void> {
    this.halt();
    return this.#ended.promise;
  }

  /** Ends its loop, whatever it is at. */
  halt(): void {
    Atomics.store(this.#stopFlag, 0, 1);
    this.#wake();
  }

  #wake(): void {
    // Its eventfd's number may be another's by now.
    if (!this.#hasEnded) this.#options.sys.write(this.#wakeFd, this.#oneAt, this.#one.byteLength);
  }

  #exited(): void {
    const wasTold = Atomics.load(this.#stopFlag, 0) !== 0;
    const { sys } = this.#options;
    // What it had open is the process's, and nobody else would ever close it. Resets: nothing was finished orderly.
    const resetter = new Resetter(sys);
    for (let fd = 0; fd <= this.#table.highest; fd++) {
      if (!this.#table.has(fd, FLAG.OPEN | FLAG.HELPER)) continue;
      if (this.#table.has(fd, FLAG.OPEN)) resetter.prepare(fd);
      sys.close(fd);
    }
    sys.close(this.#wakeFd);
    this.#hasEnded = true;
    this.#ended.resolve();
    if (!wasTold) this.#options.onDied(this.#failure);
  }
}
