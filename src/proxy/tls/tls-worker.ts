import { Worker } from 'node:worker_threads';
import type { TlsCommand, TlsReport } from './messages.ts';
import type { TlsThreadSettings } from './tls-thread.ts';

export interface TlsWorkerOptions {
  /** The module that runs it. */
  readonly module: URL;
  readonly settings: TlsThreadSettings;
  readonly onReport: (report: TlsReport) => void;
  /** It has ended by itself, which it never should. */
  readonly onDied: (error: unknown) => void;
}

/** A thread of the TLS listener as the main thread sees it. */
export class TlsWorker {
  readonly #worker: Worker;
  #failure: unknown = new Error('the thread has ended');
  #isStopped = false;

  constructor({ module, settings, onReport, onDied }: TlsWorkerOptions) {
    this.#worker = new Worker(module, { workerData: settings });
    this.#worker.on('message', onReport);
    this.#worker.on('error', (error) => (this.#failure = error));
    this.#worker.on('exit', () => {
      if (!this.#isStopped) onDied(this.#failure);
    });
  }

  tell(command: TlsCommand): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
    this.#worker.postMessage(command);
  }

  /** Resolves when it has ended. Its connections must have ended before. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#worker.terminate();
  }
}
