import type { ConfigChange } from '../config/diff.ts';
import type { Settings } from '../config/schema.ts';
import type { LeveledLogger } from '../domain/ports.ts';

/** A setting that could not be brought into force, and why. */
export interface Refusal {
  readonly key: string;
  readonly reason: string;
}

export interface AppliedSettings {
  /** What is in force: what was asked for, in which every key that was refused keeps its old value. */
  readonly settings: Settings;
  readonly refused: readonly Refusal[];
}

/** Brings a change into force. */
export function applySettings({ settings }: ConfigChange, logger: LeveledLogger): Promise<AppliedSettings> {
  logger.level = settings.log_level;
  return Promise.resolve({ settings, refused: [] });
}
