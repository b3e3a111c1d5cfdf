import type { Settings } from '../config/schema.ts';
import type { LeveledLogger } from '../domain/ports.ts';

export type Level = Settings['log_level'];

/** How much is logged, and why so. */
export interface DescribedLevel {
  readonly level: Level;
  /** What the configuration says. */
  readonly setting: Level;
  /** Somebody has set another one in the running daemon. */
  readonly isOverridden: boolean;
}

/**
 * The level of the log: that of the configuration, unless somebody has set another one for now, which lasts until the
 * configuration says something new, or until the daemon ends.
 */
export class LogLevel {
  readonly #logger: LeveledLogger;
  /** Whoever skips the work for lines that nobody sees. */
  readonly #onChanged: (level: Level) => void;
  #setting: Level;
  #override: Level | undefined;

  constructor(logger: LeveledLogger, setting: Level, onChanged: (level: Level) => void) {
    this.#logger = logger;
    this.#setting = setting;
    this.#onChanged = onChanged;
  }

  get level(): Level {
    return this.#override ?? this.#setting;
  }

  describe(): DescribedLevel {
    const { level } = this;
    return { level, setting: this.#setting, isOverridden: this.#override !== undefined };
  }

  /** The configuration says something new. */
  follow(setting: Level): void {
    this.#setting = setting;
    this.override(undefined);
  }

  /** @param level `undefined` for that of the configuration */
  override(level: Level | undefined): void {
    this.#override = level;
    this.#logger.level = this.level;
    this.#onChanged(this.level);
  }
}
