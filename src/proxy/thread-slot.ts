const RESTART_BASE_MS = 50;
const RESTART_MAX_MS = 5_000;
/** A thread that has lived for so long is restarted at once. */
const GOOD_LIFE_MS = 60_000;

/** One of the threads of an engine; another one of the same number after it has died. */
export class ThreadSlot<Handle> {
  readonly index: number;
  handle: Handle | undefined;
  isReady = false;
  isDrained = false;
  /** Version of the table that it routes by. */
  version = -1;
  /** Version of the settings that it goes by. */
  configured = -1;
  /** Deaths and starts that failed, since it has lived for long. */
  #failures = 0;
  readySinceMs = Infinity;

  constructor(index: number) {
    this.index = index;
  }

  /** Its present life is over. */
  died(nowMs: number): void {
    if (nowMs - this.readySinceMs >= GOOD_LIFE_MS) this.#failures = 0;
    this.handle = undefined;
    this.isReady = false;
    this.version = -1;
    this.configured = -1;
  }

  /** How long to wait before it is started again. */
  nextRestartMs(): number {
    return Math.min(RESTART_MAX_MS, RESTART_BASE_MS * 2 ** Math.min(this.#failures++, 10));
  }
}
