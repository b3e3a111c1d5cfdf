/** A stream of JSON texts that its reader asks for: a slow reader makes the feed skip, never grow. */
export interface InspectionFeed {
  /**
   * Resolves with what there is to tell, at least one JSON text, as soon as there is something; with `undefined` once
   * the feed is closed. One call at a time.
   */
  next(): Promise<readonly string[] | undefined>;
  /** Detaches from everything at once. May be called again. */
  close(): void;
}

/** A message that is made only when its reader asks for it. */
export type Pending = () => object;

export interface FeedQueueOptions {
  /** Pushed messages that wait at most; beyond that all of them are dropped and counted. */
  readonly maxQueued: number;
  /** Announced messages that wait at most; a reader that is so far behind is told nothing any more: it is closed. */
  readonly maxAnnounced: number;
  /** How long a first message waits for others, so that a burst is one batch. */
  readonly collectMs: number;
  /** What is told instead of dropped messages. */
  readonly onSkipped: (messages: number) => readonly Pending[];
  readonly onClose: () => void;
}

export interface FeedQueue extends InspectionFeed {
  /** For what must not be dropped: the messages of the beginning, and of actors that come and go. */
  readonly announce: (pending: Pending) => void;
  readonly push: (pending: Pending) => void;
}

interface Entry {
  readonly pending: Pending;
  readonly isAnnounced: boolean;
}

/** Messages made in one go: making one takes microseconds, and the proxy waits meanwhile. */
const MAX_BATCH = 200;

/** Connects what happens with a reader that may be slower. */
export function createFeedQueue(options: FeedQueueOptions): FeedQueue {
  const { maxQueued, maxAnnounced, collectMs, onSkipped, onClose } = options;
  let entries: Entry[] = [];
  let pushed = 0;
  let skipped = 0;
  let isBehind = false;
  let isClosed = false;
  let wake: (() => void) | undefined;
  let collecting: NodeJS.Timeout | undefined;

  function scheduleWake(): void {
    if (wake === undefined || collecting !== undefined || (entries.length === 0 && skipped === 0)) return;
    collecting = setTimeout(
      () => {
        collecting = undefined;
        wake?.();
      },
      isBehind || entries.length >= MAX_BATCH ? 0 : collectMs,
    );
  }

  function takeBatch(): readonly Pending[] {
    const batch = entries.slice(0, MAX_BATCH);
    entries = entries.slice(MAX_BATCH);
    isBehind = entries.length > 0;
    pushed -= batch.filter(({ isAnnounced }) => !isAnnounced).length;
    const pendings = batch.map(({ pending }) => pending);
    if (skipped === 0 || entries.length > 0) return pendings;
    const instead = onSkipped(skipped);
    skipped = 0;
    return [...pendings, ...instead];
  }

  function close(): void {
    if (isClosed) return;
    isClosed = true;
    clearTimeout(collecting);
    entries = [];
    onClose();
    wake?.();
  }

  return {
    close,
    announce(pending) {
      if (isClosed) return;
      if (entries.length - pushed >= maxAnnounced) return close();
      entries.push({ pending, isAnnounced: true });
      scheduleWake();
    },
    push(pending) {
      if (isClosed) return;
      if (skipped > 0 || pushed >= maxQueued) {
        skipped += pushed + 1;
        // Once only: this runs for every event, within the actor's transition.
        if (pushed > 0) entries = entries.filter(({ isAnnounced }) => isAnnounced);
        pushed = 0;
      } else {
        entries.push({ pending, isAnnounced: false });
        pushed += 1;
      }
      scheduleWake();
    },
    async next() {
      if (!isClosed) {
        await new Promise<void>((resolve) => {
          wake = resolve;
          scheduleWake();
        });
        wake = undefined;
      }
      return isClosed ? undefined : takeBatch().map((pending) => JSON.stringify(pending()));
    },
  };
}
