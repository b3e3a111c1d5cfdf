import { parseBackendRows, type SkippedRow } from '../domain/backend.ts';
import { type BackendStep, type LiveBackend, planBackends } from '../domain/backend-plan.ts';
import { type ConfigInput, type Configuration, takeIn } from './configuration.ts';
import { SETTINGS } from './catalogue.ts';
import { changeBetween, changesOfRunning, type ConfigChange, type SettingChange } from './diff.ts';
import { shownValue } from './shown-value.ts';
import type { Settings } from './schema.ts';
import type { SqlSettingRow } from './sql-settings.ts';
import type { SettingsFile } from './toml-file.ts';

/** What somebody thinks of putting in the place of what there is; what is absent stays. */
export interface PlanCandidate {
  readonly file?: SettingsFile | undefined;
  /** All rows of the table of settings. */
  readonly settingRows?: readonly SqlSettingRow[] | undefined;
  /** All rows of the table of backends. */
  readonly backendRows?: readonly unknown[] | undefined;
}

/** Why a setting that can take effect at once would keep its old value, or why nobody can say whether it would. */
export interface Hindrance {
  readonly takesEffect: 'refused' | 'not known';
  readonly reason: string;
}

/** By the key of the setting. */
export type Hindrances = ReadonlyMap<string, Hindrance>;

/** A setting that would have another value, as text for people; secrets are masked. */
export type PlannedSetting = {
  readonly key: string;
  readonly old: string;
  readonly new: string;
} & ({ readonly takesEffect: 'at once' | 'after a restart' } | Hindrance);

export type Plan =
  | {
      readonly isValid: true;
      readonly settings: readonly PlannedSetting[];
      readonly backends: readonly BackendStep[];
      /** Rows that would not be backends. */
      readonly skipped: readonly SkippedRow[];
      /** Settings that would be given and have no effect, a line each, but for those of now. */
      readonly warnings: readonly string[];
      /** How long connections of a backend that leaves may go on. */
      readonly drainTimeoutSecs: number;
    }
  /** It would be refused, and change nothing: a line for each thing that is wrong. */
  | { readonly isValid: false; readonly problems: readonly string[] };

/** The change of settings that a daemon would be asked for; `undefined` where the candidate would be refused. */
export function changeByPlan(running: Configuration, candidate: PlanCandidate): ConfigChange | undefined {
  const { planned } = takenIn(running, candidate);
  return isAccepted(planned, candidate) ? changeBetween(running.inForce, planned.wanted.settings) : undefined;
}

/**
 * What a daemon would do with other content of its sources; it does nothing of it. A pure function.
 *
 * @param live the backends of now
 * @param hindrances what was found when the change of settings was tried
 */
export function planChange(
  running: Configuration,
  live: readonly LiveBackend[],
  candidate: PlanCandidate,
  hindrances: Hindrances = new Map(),
): Plan {
  const { planned, problems } = takenIn(running, candidate);
  if (!isAccepted(planned, candidate)) return { isValid: false, problems };
  const settings = changesOfRunning(running.inForce, planned.wanted.settings).map((change) =>
    plannedSetting(change, hindrances.get(change.key)),
  );
  const rows = backendRowsOf(running.inForce, planned.inForce, candidate);
  if (typeof rows === 'string') return { isValid: false, problems: [rows] };
  const { backends, skipped } = parseBackendRows(rows ?? []);
  return {
    isValid: true,
    settings,
    backends: rows === undefined ? [] : planBackends(live, backends),
    skipped,
    warnings: planned.wanted.warnings.filter((line) => !running.wanted.warnings.includes(line)),
    drainTimeoutSecs: planned.inForce.drain_timeout_secs,
  };
}

function takenIn(running: Configuration, candidate: PlanCandidate) {
  let planned = running;
  let problems: readonly string[] = [];
  for (const input of inputsOf(candidate)) {
    const { after, outcome } = takeIn(planned, input);
    // The one that comes next may be what it waits for.
    problems = outcome.type === 'REFUSED' ? [...problems, ...outcome.error.message.split('\n')] : [];
    planned = after;
  }
  return { planned, problems };
}

function isAccepted({ good }: Configuration, { file, settingRows }: PlanCandidate): boolean {
  return (
    (file === undefined || good.file === file) && (settingRows === undefined || good.rows === settingRows)
  );
}

function plannedSetting(
  { key, old, new: next, reload }: SettingChange,
  hindrance: Hindrance | undefined,
): PlannedSetting {
  const setting = SETTINGS.find((one) => one.key === key)!;
  const [before, after] = [shownValue(setting, old), shownValue(setting, next)];
  return {
    key,
    old: before,
    new: before === after ? `${after}, another value` : after,
    ...(hindrance ?? { takesEffect: reload ? 'at once' : 'after a restart' }),
  };
}

function inputsOf({ file, settingRows }: PlanCandidate): readonly ConfigInput[] {
  return [
    ...(file === undefined ? [] : [{ source: 'file', file } as const]),
    ...(settingRows === undefined ? [] : [{ source: 'sql', rows: settingRows } as const]),
  ];
}

/** The whole new list; `undefined` where it stays, a text where it cannot be. */
function backendRowsOf(
  { postgres }: Settings,
  { backends }: Settings,
  { backendRows, file }: PlanCandidate,
): readonly unknown[] | string | undefined {
  if (postgres.enabled) return backendRows;
  if (backendRows !== undefined) return 'this daemon takes no backends from SQL: postgres.enabled is false';
  return file === undefined
    ? undefined
    : backends.map(({ health, ...row }) => ({ ...row, health_check: health }));
}
