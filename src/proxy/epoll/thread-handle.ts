import { Worker } from 'node:worker_threads';
import { IpAddress } from '../ip-address.ts';
import type { Sys } from '../sys/sys.ts';
import type { DataThreadSettings } from './data-thread-settings.ts';
import type { Command, Report } from './messages.ts';
import { Resetter } from './resetter.ts';
import { FLAG, newSocketTableMemory, SocketTable } from './socket-table.ts';

/** A client, and where the limits of connections count it. */
export interface CountedClient {
  readonly address: IpAddress;
  readonly counted: number;
}

export interface ThreadHandleOptions {
  readonly sys: Sys;
  readonly thread: number;
  /** Rows of its table of descriptors; numbers from this one on are never used. */
  readonly mostDescriptors: number;
  /** The module that runs it, and what that module needs to know beside. */
  readonly module: URL;
  readonly moduleData: unknown;
  readonly settings: Omit<DataThreadSettings, 'thread' | 'sockets' | 'stopFlag' | 'wakeFds'>;
  /** Of each thread. */
  readonly wakeFds: readonly number[];
  /** Has a thread look at its mail. */
  readonly wake: (thread: number) => void;
  readonly onReport: (report: Report) => void;
  /** It has ended by itself, which it never should. @param counted its clients that limits count */
  readonly onDied: (error: unknown, counted: readonly CountedClient[]) => void;
}

/** A data thread as the main thread sees it: told by messages, buried by its table. */
export class ThreadHandle {
  readonly #options: ThreadHandleOptions;
  readonly #stopFlag = new Int32Array(new SharedArrayBuffer(4));
  readonly #table: SocketTable;
  readonly #worker: Worker;
  readonly #ended = Promise.withResolvers<void>();
  #failure: unknown = new Error('the thread has ended');

  constructor(options: ThreadHandleOptions) {
    this.#options = options;
    const { thread, mostDescriptors, module, moduleData, settings, wakeFds } = options;
    const sockets = newSocketTableMemory(mostDescriptors);
    this.#table = new SocketTable(sockets);
    const own = { thread, sockets, stopFlag: this.#stopFlag, wakeFds };
    this.#worker = new Worker(module, { workerData: { moduleData, settings: { ...settings, ...own } } });
    this.#worker.on('message', (report: Report) => options.onReport(report));
    this.#worker.on('error', (error) => (this.#failure = error));
    this.#worker.on('exit', () => this.#exited());
  }

  /** Its rows, which are its own to change. */
  get table(): SocketTable {
    return this.#table;
  }

  tell(command: Command): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    this.#worker.postMessage(command);
    this.#options.wake(this.#options.thread);
  }

  /** Resolves when it has ended. Its connections must have ended before. */
  stop(): Promise<void> {
    this.halt();
    return this.#ended.promise;
  }

  /** Ends its loop, whatever it is at. */
  halt(): void {
    Atomics.store(this.#stopFlag, 0, 1);
    this.#options.wake(this.#options.thread);
  }

  #exited(): void {
    const wasTold = Atomics.load(this.#stopFlag, 0) !== 0;
    const { sys } = this.#options;
    // What it had open is the process's, and nobody else would ever close it. Resets: nothing was finished orderly.
    const resetter = new Resetter(sys);
    const counted: CountedClient[] = [];
    for (let fd = 0; fd <= this.#table.highest; fd++) {
      if (!this.#table.has(fd, FLAG.OPEN | FLAG.HELPER)) continue;
      if (this.#table.has(fd, FLAG.COUNTED))
        counted.push({ address: this.#addressOf(fd), counted: this.#table.countedOf(fd) });
      if (this.#table.has(fd, FLAG.OPEN)) resetter.prepare(fd);
      sys.close(fd);
    }
    this.#ended.resolve();
    if (!wasTold) this.#options.onDied(this.#failure, counted);
  }

  #addressOf(client: number): IpAddress {
    const address = new IpAddress();
    this.#table.readAddress(client, address);
    return address;
  }
}
