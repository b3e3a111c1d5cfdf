import { from, map, merge, type Observable, Subject } from 'rxjs';
import { createStateSaver } from '../adapters/file/state-saver.ts';
import { saveSettingsState } from '../adapters/file/settings-state.ts';
import {
  initializeSettings,
  readSettingRows,
  type SettingsTable,
} from '../adapters/postgres/settings-table.ts';
import type { Configuration } from '../config/configuration.ts';
import { SQL_SETTINGS_TABLE } from '../config/origin.ts';
import type { SqlSettingRow } from '../config/sql-settings.ts';
import { limitedWarning } from '../domain/limited-log.ts';
import type { Logger } from '../domain/ports.ts';
import { messageOf } from '../errors.ts';
import { settingRows$, type SettingRowsEvent } from '../streams/setting-rows.ts';
import type { Database } from './backend-source.ts';
import { settingsStatePath, warnHeldSettings } from './start-rows.ts';
import { systemNow } from './system-clock.ts';

/** An outage is told at once, and then so often. */
const OUTAGE_LOG_MS = 60_000;

/** The table of settings, for as long as the daemon lives. */
export interface PostgresSettings {
  /** The rows that concern this daemon, each time that they have changed; reads for as long as it is subscribed to. */
  readonly rows$: Observable<readonly SqlSettingRow[]>;
  /** Reads at once. */
  read(): void;
  /** Keeps rows that have been accepted for a start without the database. */
  keep(rows: readonly SqlSettingRow[]): void;
  /** Resolves when all that is to be kept is on disk. */
  flush(): Promise<void>;
}

/**
 * Settings from SQL, kept through every outage.
 *
 *     hints of the subscription ─┐
 *     initialized, read() ───────┴─► settingRows$ ─► rows$ ─► accepted ─► state file
 */
export function postgresSettings(
  { pool, hints$, initialized }: Database,
  configuration: Configuration,
  logger: Logger,
): PostgresSettings {
  const { inForce: settings, scope } = configuration;
  const asked$ = new Subject<void>();
  const path = settingsStatePath(settings);
  const saver = createStateSaver<readonly SqlSettingRow[]>({
    write: (rows) => saveSettingsState(path, { savedAtMs: Date.now(), rows }),
    onError: (error) =>
      logger.error({ error: messageOf(error) }, 'last known settings of SQL cannot be saved'),
  });
  const warnUnread = limitedWarning(
    logger,
    'settings in SQL cannot be read, the last known ones are kept',
    systemNow,
    OUTAGE_LOG_MS,
  );
  let mayCreate = false;
  let table: SettingsTable | undefined;
  let isToldAbsent = false;
  let isKept = false;

  async function read(): Promise<readonly SqlSettingRow[] | undefined> {
    // Once, and after the backends: a table that is dropped under a running daemon stays away until the next start.
    if (mayCreate && table === undefined) {
      table = await initializeSettings(pool);
      tellOf(table);
    }
    return readSettingRows(pool.query, scope);
  }

  function tellOf({ isThere, created, notifies, problem }: SettingsTable): void {
    const fields = { table: SQL_SETTINGS_TABLE, created, ...(problem === undefined ? {} : { problem }) };
    if (created.length > 0) logger.info(fields, 'table of settings initialized');
    else if (isThere && !notifies)
      logger.warn(fields, 'changes of settings are not notified, only the poll sees them');
  }

  function tellAbsent({ isThere, problem }: SettingsTable): void {
    const told = (otherwise: string) => ({ table: SQL_SETTINGS_TABLE, problem: problem ?? otherwise });
    if (!isThere) return logger.info(told('there is none'), 'no settings are taken from SQL');
    const fields = told('it is gone, or may not be read');
    logger.warn(fields, 'settings in SQL cannot be read, those that were known last stay');
  }

  function onEvent(event: SettingRowsEvent): void {
    switch (event.type) {
      case 'READ':
        warnUnread.reset();
        isToldAbsent = false;
        // The table agrees with what the daemon has started with; from now on, every change is kept.
        if (!isKept && !event.isChange) saver.save(configuration.good.rows);
        isKept = true;
        break;
      case 'ABSENT':
        if (!isToldAbsent && table !== undefined) {
          isToldAbsent = true;
          tellAbsent(table);
        }
        break;
      case 'READ_FAILED':
        warnUnread.warn({ database: pool.label, error: messageOf(event.error) });
        break;
      case 'EMPTY_READ_HELD':
        warnHeldSettings(logger, event.heldRows);
        break;
    }
  }

  const ready$ = from(initialized).pipe(map(() => void (mayCreate = true)));
  return {
    rows$: settingRows$({
      hints$: merge(hints$, asked$, ready$),
      read,
      reloadIntervalMs: settings.postgres.reload_secs * 1000,
      initial: configuration.good.rows,
      onEvent,
    }),
    read: () => asked$.next(),
    keep: (rows) => saver.save(rows),
    flush: () => saver.flush(),
  };
}
