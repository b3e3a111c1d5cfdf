import {
  BehaviorSubject,
  concatMap,
  EMPTY,
  map,
  merge,
  type Observable,
  of,
  Subject,
  type Subscription,
} from 'rxjs';
import { type FileLook, fileLooks$ } from '../adapters/file/file-looks.ts';
import type { Metrics } from '../adapters/prometheus/metrics.ts';
import { type ConfigInput, type Configuration, isWholeFile } from '../config/configuration.ts';
import { type DescribedConfiguration, describeConfiguration } from '../config/describe.ts';
import type { ConfigChange } from '../config/diff.ts';
import type { Settings } from '../config/schema.ts';
import { changeByPlan, type Hindrances, type Plan, type PlanCandidate, planChange } from '../config/plan.ts';
import type { LiveBackend } from '../domain/backend-plan.ts';
import type { Logger } from '../domain/ports.ts';
import { messageOf } from '../errors.ts';
import { configChanges$ } from '../streams/config-changes.ts';
import type { AppliedSettings } from './apply-settings.ts';
import { ConfigLog } from './config-log.ts';
import type { PostgresSettings } from './postgres-settings.ts';
import { systemNow } from './system-clock.ts';

export interface ConfigReloadsOptions {
  readonly start: Configuration;
  /** The table of settings, for a daemon with a database. */
  readonly rows: PostgresSettings | undefined;
  readonly apply: (change: ConfigChange) => Promise<AppliedSettings>;
  /** What would come in the way of a change; must not do anything of it. */
  readonly tryOut: (running: Settings, change: ConfigChange) => Promise<Hindrances>;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'configReloaded'>;
}

/** What changes the configuration of a daemon while it runs. */
export interface ConfigReloads {
  /** Begins to watch the file, if the settings say so, and to take rows. */
  start(): void;
  /** Watches the file as these settings say from now on. */
  follow(settings: Settings): void;
  /** Reads all sources at once, also a file that nobody watches; `false` when there are none. */
  reload(): boolean;
  describe(): DescribedConfiguration;
  /** What other content of the sources would do; nothing is done. */
  plan(candidate: PlanCandidate, live: () => readonly LiveBackend[]): Promise<Plan>;
  /** Resolves when what is to be kept is on disk. */
  stop(): Promise<void>;
}

/**
 * From the sources of the configuration to those who go by it.
 *
 *     file ── fileLooks$ ──┐
 *                          ├─► configChanges$ ─► apply ─► in force
 *     rows of SQL ─────────┘        └─ log, metrics
 */
export function createConfigReloads(options: ConfigReloadsOptions): ConfigReloads {
  const { start, rows, apply, tryOut, logger, metrics } = options;
  const { file } = start.good;
  const log = new ConfigLog(logger, metrics);
  const asked$ = new Subject<void>();
  const watch$ = new BehaviorSubject(watchOf(start.inForce));
  let current = start;
  let running: Subscription | undefined;
  let isAsked = false;
  let isStopped = false;

  function looks$(path: string, content: string): Observable<FileLook> {
    return fileLooks$({
      path,
      initial: content,
      asked$,
      isWhole: (text) => isWholeFile(current, { path, content: text }),
      watch$,
      now: systemNow,
    });
  }

  function fileInputs$(path: string, content: string): Observable<ConfigInput> {
    return looks$(path, content).pipe(
      concatMap((look) => {
        if (look.type === 'CONTENT')
          return of({ source: 'file', file: { path, content: look.content } } as const);
        log.unreadable(look.error);
        return EMPTY;
      }),
    );
  }

  function watchOf({ config_watch: { enabled, interval_secs: seconds } }: Settings) {
    return enabled ? { intervalMs: seconds * 1000, onDeaf: warnDeaf } : undefined;
  }

  function warnDeaf(folder: string, { message: error }: Error): void {
    logger.warn({ folder, error }, 'folder of the configuration cannot be watched, it is polled');
  }

  async function applyAll(change: ConfigChange) {
    if (change.changes.length === 0) return change.settings;
    const { settings, refused } = await apply(change);
    for (const refusal of refused) logger.error({ ...refusal }, 'a setting keeps its old value');
    return settings;
  }

  async function planNow(candidate: PlanCandidate, live: () => readonly LiveBackend[]): Promise<Plan> {
    const now = current;
    const change = changeByPlan(now, candidate);
    const hindrances = change && (await tryOut(now.inForce, change));
    // What was tried beside a configuration that is over says nothing of the next one.
    return now === current ? planChange(now, live(), candidate, hindrances) : planNow(candidate, live);
  }

  return {
    start() {
      if (isStopped) return;
      const inputs$ = merge(
        file === undefined ? EMPTY : fileInputs$(file.path, file.content),
        (rows?.rows$ ?? EMPTY).pipe(map((all): ConfigInput => ({ source: 'sql', rows: all }))),
      );
      running = configChanges$({
        start,
        inputs$,
        apply: applyAll,
        onStep(step) {
          current = step.after;
          log.step(step);
          if (step.after.good.rows !== step.before.good.rows) rows?.keep(step.after.good.rows);
        },
      }).subscribe({
        error: (error: unknown) =>
          logger.error({ error: messageOf(error) }, 'configuration is watched no more'),
      });
      if (isAsked) asked$.next();
    },
    follow: (settings) => watch$.next(watchOf(settings)),
    reload() {
      isAsked = running === undefined;
      asked$.next();
      rows?.read();
      return file !== undefined || rows !== undefined;
    },
    describe: () => describeConfiguration(current),
    plan: planNow,
    async stop() {
      isStopped = true;
      running?.unsubscribe();
      await rows?.flush();
    },
  };
}
