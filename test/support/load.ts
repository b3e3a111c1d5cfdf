import { onTestFinished } from 'vitest';

/** A connection that did not go well; `startedMs` and `failedMs` are on the clock of `performance.now()`. */
export interface FailedConnection {
  readonly startedMs: number;
  readonly failedMs: number;
  readonly reason: string;
}

/** Clients that make short connections all the time. */
export interface Load {
  /** Answers so far. */
  readonly served: number;
  /** Answers so far, by who gave them. */
  readonly servedBy: ReadonlyMap<string, number>;
  readonly failures: readonly FailedConnection[];
  /** Lets every client finish what it is at; resolves when all have. May be called again. */
  stop(): Promise<void>;
}

/**
 * So many clients, each of them connecting anew as soon as its last connection is over, until the running test ends.
 *
 * @param request one connection; resolves with who answered, and an empty answer counts as a failure
 */
export function startLoad(clients: number, request: () => Promise<string>): Load {
  const servedBy = new Map<string, number>();
  const failures: FailedConnection[] = [];
  let served = 0;
  const stopping = new AbortController();

  async function connectOnce(): Promise<void> {
    const startedMs = performance.now();
    const failed = (reason: string) => failures.push({ startedMs, failedMs: performance.now(), reason });
    try {
      const name = await request();
      if (name === '') failed('closed without a byte');
      else {
        served += 1;
        servedBy.set(name, (servedBy.get(name) ?? 0) + 1);
      }
    } catch (error) {
      failed(error instanceof Error ? error.message : String(error));
    }
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) await connectOnce();
  }

  const running = Promise.all(Array.from({ length: clients }, run));
  // Not awaited: a client that hangs ends with the daemon, which is disposed of after this.
  onTestFinished(() => stopping.abort());
  return {
    get served() {
      return served;
    },
    servedBy,
    failures,
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
