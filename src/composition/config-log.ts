import type { Metrics } from '../adapters/prometheus/metrics.ts';
import { SETTINGS } from '../config/catalogue.ts';
import { pendingOf } from '../config/configuration.ts';
import type { SettingChange } from '../config/diff.ts';
import { shownValue } from '../config/shown-value.ts';
import type { Logger } from '../domain/ports.ts';
import type { ConfigStep } from '../streams/config-changes.ts';

/** A change for a log line: secrets masked, long tables counted. */
function shown({ key, old, new: wanted }: SettingChange) {
  const setting = SETTINGS.find((one) => one.key === key)!;
  return { key, old: shownValue(setting, old), new: shownValue(setting, wanted) };
}

/** Says what becomes of configurations, in the log and in the metrics; what stays as it was is said once. */
export class ConfigLog {
  readonly #logger: Logger;
  readonly #metrics: Pick<Metrics, 'configReloaded'>;
  #toldRestart = '';

  constructor(logger: Logger, metrics: Pick<Metrics, 'configReloaded'>) {
    this.#logger = logger;
    this.#metrics = metrics;
  }

  step({ source, outcome, before, after }: ConfigStep): void {
    switch (outcome.type) {
      case 'REFUSED':
        this.refused(source, outcome.error);
        return;
      case 'UNCHANGED':
        this.#metrics.configReloaded('unchanged', Date.now() / 1000);
        this.#unchanged(source);
        break;
      case 'CHANGED': {
        const { changes, needsRestart } = outcome.change;
        // What was refused is pending beside what needs a restart.
        const isAllInForce = pendingOf(after).length === needsRestart.length;
        this.#metrics.configReloaded(isAllInForce ? 'applied' : 'refused', Date.now() / 1000);
        if (changes.length > 0)
          this.#logger.info({ source, changes: changes.map(shown) }, 'configuration changed');
        // What was pending is not wanted any more.
        else if (isAllInForce && needsRestart.length === 0) this.#unchanged(source);
        this.#restart(needsRestart);
        break;
      }
    }
    for (const problem of after.wanted.warnings) {
      if (!before.wanted.warnings.includes(problem))
        this.#logger.warn({ problem }, 'a setting has no effect');
    }
  }

  /** A configuration that is bad. */
  refused(source: ConfigStep['source'], error: Error): void {
    this.#metrics.configReloaded('refused', Date.now() / 1000);
    const problems = error.message.split('\n');
    this.#logger.error({ source, problems }, 'configuration refused, the last good one stays');
  }

  /** A file that is gone or cannot be read. */
  unreadable(error: Error): void {
    this.#metrics.configReloaded('refused', Date.now() / 1000);
    this.#logger.warn({ error: error.message }, 'configuration cannot be read, the last good one stays');
  }

  #unchanged(source: ConfigStep['source']): void {
    this.#logger.info({ source }, 'configuration read, nothing has changed');
  }

  #restart(needed: readonly SettingChange[]): void {
    const settings = needed.map(shown);
    const text = JSON.stringify(settings);
    if (settings.length > 0 && text !== this.#toldRestart) {
      this.#logger.warn({ settings }, 'settings that need a restart to take effect');
    }
    this.#toldRestart = text;
  }
}
