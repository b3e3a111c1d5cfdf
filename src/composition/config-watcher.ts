import { readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { concatMap, defer, NEVER, type Observable, of, share } from 'rxjs';
import { type FileLook, fileLooks$ } from '../adapters/file/file-looks.ts';
import { type Configuration, isWholeFile, startConfiguration, takeIn } from '../config/configuration.ts';
import { diffSettings, type SettingChange } from '../config/diff.ts';
import type { Environment } from '../config/environment.ts';
import type { Settings } from '../config/schema.ts';
import { systemNow } from './system-clock.ts';

export interface ConfigWatcherOptions {
  /** The TOML file; it may be a symbolic link, and it may come later. */
  readonly path: string;
  /** How often it is looked at where the system does not tell of changes. Default 5 s. */
  readonly intervalMs?: number | undefined;
  /** Variables that overrule the file, such as `process.env`. Default: none. */
  readonly env?: Environment | undefined;
}

/** What a watcher tells. */
export type ConfigWatcherEvent =
  /** The file has other content, good or bad. */
  | { readonly type: 'FILE_MODIFIED'; readonly path: string }
  /** A setting has another value; one of these for each, between `FILE_MODIFIED` and `FULL_RELOAD`. */
  | ({ readonly type: 'VALUE_CHANGED' } & SettingChange)
  /** All changes of the file are told: these are its settings. */
  | { readonly type: 'FULL_RELOAD'; readonly settings: Settings }
  /** The file is bad, gone or cannot be read: the last good settings stay. A line for each thing that is wrong. */
  | { readonly type: 'REFUSED'; readonly error: Error };

export interface ConfigWatcher {
  /**
   * What happens to the file from the first subscription on, the same for everybody; the file is watched until the
   * last one has unsubscribed. Never completes and never fails.
   */
  readonly changes$: Observable<ConfigWatcherEvent>;
}

const DEFAULT_INTERVAL_MS = 5_000;

/**
 * Watches a configuration file, and tells which settings change.
 *
 * The file is seen once for every change of its content, however it is replaced; what is bad is told and changes
 * nothing. A file that cannot be read at the first look counts as one without any setting.
 * Source: seed, Hot Reload Configuration.
 */
export function createConfigWatcher(options: ConfigWatcherOptions): ConfigWatcher {
  return { changes$: defer(() => follow(begin(options))).pipe(share()) };
}

interface Watch {
  readonly options: ConfigWatcherOptions;
  /** The content that the watch begins with; `undefined` for none that is good. */
  readonly initial: string | undefined;
  readonly configuration: Configuration;
}

/** Reads the file before anything can happen to it that is to be told. */
function begin(options: ConfigWatcherOptions): Watch {
  const { path, env = {} } = options;
  try {
    if (!statSync(path).isFile()) throw new Error('no regular file');
    const content = readFileSync(path, 'utf8');
    const file = { path, content };
    return {
      options,
      initial: content,
      configuration: startConfiguration(env, { file, rows: [] }, hostname()),
    };
  } catch {
    // Told by the first look.
    const configuration = startConfiguration(env, { file: undefined, rows: [] }, hostname());
    return { options, initial: undefined, configuration };
  }
}

function follow({ options, initial, configuration }: Watch): Observable<ConfigWatcherEvent> {
  const { path, intervalMs = DEFAULT_INTERVAL_MS } = options;
  let current = configuration;

  function eventsOf(look: FileLook): readonly ConfigWatcherEvent[] {
    if (look.type === 'UNREADABLE') return [{ type: 'REFUSED', error: look.error }];
    const modified = { type: 'FILE_MODIFIED', path } as const;
    const before = current;
    const { after, outcome } = takeIn(before, { source: 'file', file: { path, content: look.content } });
    current = after;
    if (outcome.type === 'REFUSED') return [modified, { type: 'REFUSED', error: outcome.error }];
    const { settings } = after.wanted;
    const changes = diffSettings(before.wanted.settings, settings);
    return [
      modified,
      ...changes.map((change) => ({ type: 'VALUE_CHANGED', ...change }) as const),
      { type: 'FULL_RELOAD', settings },
    ];
  }

  return fileLooks$({
    path,
    initial,
    asked$: NEVER,
    isWhole: (content) => isWholeFile(current, { path, content }),
    // Where a folder cannot be watched, the poll is what is left.
    watch$: of({ intervalMs, onDeaf: () => {} }),
    now: systemNow,
  }).pipe(concatMap(eventsOf));
}
