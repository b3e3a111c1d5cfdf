/** Gives back one place; further calls do nothing. */
export type Release = () => void;

export interface Semaphore {
  /** Resolves with a place, first come first served; rejects with the reason of `signal`, without taking one. */
  acquire(signal: AbortSignal): Promise<Release>;
  /** Changes how many places there are; who has one keeps it, also where there are fewer now. */
  resize(places: number): void;
  readonly inUse: number;
}

interface Waiter {
  readonly admit: () => void;
  isGone: boolean;
}

/** Drained part of the queue that is worth a copy. */
const COMPACT_AT = 1_024;

/** At most so many holders at one time. */
export function createSemaphore(initialPlaces: number): Semaphore {
  let places = initialPlaces;
  let inUse = 0;
  let queue: Waiter[] = [];
  let head = 0;

  function nextWaiter(): Waiter | undefined {
    while (head < queue.length) {
      const waiter = queue[head]!;
      head += 1;
      if (head >= COMPACT_AT && head * 2 >= queue.length) {
        queue = queue.slice(head);
        head = 0;
      }
      if (!waiter.isGone) return waiter;
    }
    return undefined;
  }

  function admitWaiters(): void {
    while (inUse < places) {
      const waiter = nextWaiter();
      if (waiter === undefined) return;
      inUse += 1;
      waiter.admit();
    }
  }

  function createRelease(): Release {
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      inUse -= 1;
      admitWaiters();
    };
  }

  function wait(signal: AbortSignal): Promise<Release> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        waiter.isGone = true;
        reject(signal.reason);
      };
      const waiter: Waiter = {
        isGone: false,
        admit() {
          signal.removeEventListener('abort', leave);
          resolve(createRelease());
        },
      };
      signal.addEventListener('abort', leave, { once: true });
      queue.push(waiter);
    });
  }

  return {
    get inUse() {
      return inUse;
    },
    async acquire(signal) {
      signal.throwIfAborted();
      if (inUse >= places) return wait(signal);
      inUse += 1;
      return createRelease();
    },
    resize(next) {
      places = next;
      admitWaiters();
    },
  };
}
