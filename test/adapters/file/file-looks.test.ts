import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isObservable, type Observable, of, type Subject, Subject as RxSubject } from 'rxjs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type FileLook, fileLooks$ } from '../../../src/adapters/file/file-looks.ts';
import type { FileWatchOptions } from '../../../src/adapters/file/looks.ts';
import type { WatchFolder } from '../../../src/adapters/file/place-watcher.ts';
import type { Patience } from '../../../src/adapters/file/settling.ts';
import {
  makeConfigMap,
  makeRelease,
  publishConfigMap,
  publishRelease,
  type Replacement,
  REPLACEMENTS,
  touch,
} from '../../support/file-replacement.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';

const HOUR_MS = 3_600_000;

/** A file system that gives no hints. */
const noHints: WatchFolder = () => ({ close: () => {} });

const content = (version: string): string => `# ${version}\nregion = "sa"\nversion = "${version}"\n`;
const isWhole = (text: string): boolean => /^version = ".*"\n$/m.test(text);

interface Looks {
  readonly seen: FileLook[];
  readonly asked$: Subject<void>;
  readonly deaf: string[];
  /** What the file was found to hold, a word for each look. */
  readonly examined: string[];
  /** What has been told, a word each: the version of the content, or `unreadable`. */
  words(): readonly string[];
}

/** Looks at a file whose content `initial` is known. */
function look(
  path: string,
  initial: string | undefined,
  watch: Omit<FileWatchOptions, 'onDeaf'> | Observable<FileWatchOptions | undefined> | undefined,
  patience?: Patience,
): Looks {
  const seen: FileLook[] = [];
  const deaf: string[] = [];
  const examined: string[] = [];
  const asked$ = new RxSubject<void>();
  const subscription = fileLooks$({
    path,
    initial,
    asked$,
    isWhole(text) {
      examined.push(text);
      return isWhole(text);
    },
    patience,
    watch$: isObservable(watch)
      ? watch
      : of(watch && { ...watch, onDeaf: (folder: string) => void deaf.push(folder) }),
    now: () => performance.now(),
  }).subscribe((one) => seen.push(one));
  onTestFinished(() => subscription.unsubscribe());
  return { seen, asked$, deaf, examined, words: () => seen.map(wordOf) };
}

function wordOf(one: FileLook): string {
  if (one.type === 'UNREADABLE') return 'unreadable';
  return /version = "(.*)"/.exec(one.content)?.[1] ?? `broken ${JSON.stringify(one.content)}`;
}

/** What has been told when that is so many, or more. */
async function told(looks: Looks, count: number): Promise<readonly string[]> {
  await until(() => looks.words().length >= count, { what: `${count} looks to be told` });
  return looks.words();
}

async function aFile(): Promise<string> {
  const folder = join(await temporaryFolder(), 'etc');
  await mkdir(folder);
  const path = join(folder, 'edgeproxy.toml');
  await writeFile(path, content('one'));
  return path;
}

async function aConfigMap(): Promise<string> {
  const path = join(await temporaryFolder(), 'edgeproxy.toml');
  await makeConfigMap(path, content('one'));
  return path;
}

async function aRelease(): Promise<string> {
  const path = join(await temporaryFolder(), 'current', 'edgeproxy.toml');
  await makeRelease(path, content('one'));
  return path;
}

const WAYS: readonly (readonly [string, () => Promise<string>, Replacement])[] = [
  ...Object.entries(REPLACEMENTS).map(([way, replace]) => [way, aFile, replace] as const),
  ['swapped as a ConfigMap is', aConfigMap, publishConfigMap],
  ['swapped with its folder as a release is', aRelease, publishRelease],
];

describe.each([
  ['where the system gives hints', { intervalMs: HOUR_MS }],
  ['by the poll alone', { intervalMs: 20, folders: noHints }],
] as const)('%s', (_, watch) => {
  it.each(WAYS)('a file that is %s is seen once for every change', async (_way, make, replace) => {
    const path = await make();
    const looks = look(path, content('one'), watch);
    // Whatever would be told twice is told before the next one.
    await replace(path, content('two'));
    expect(await told(looks, 1)).toEqual(['two']);
    await replace(path, content('three'));
    expect(await told(looks, 2)).toEqual(['two', 'three']);
    await replace(path, content('one'));
    expect(await told(looks, 3)).toEqual(['two', 'three', 'one']);
    expect(looks.deaf).toEqual([]);
  });

  it('a change before the first look is seen', async () => {
    const path = await aFile();
    await writeFile(path, content('two'));
    expect(await told(look(path, content('one'), watch), 1)).toEqual(['two']);
  });

  it('a file whose content is not known yet is told', async () => {
    expect(await told(look(await aFile(), undefined, watch), 1)).toEqual(['one']);
  });

  it('a touch, or the same content written again, is no change', async () => {
    const path = await aFile();
    const looks = look(path, content('one'), watch);
    await touch(path);
    await writeFile(path, content('one'));
    await writeFile(path, content('two'));
    expect(await told(looks, 1)).toEqual(['two']);
  });

  it('a file that stays away is told once, and its return too', async () => {
    const path = await aFile();
    const looks = look(path, content('one'), watch);
    await rm(path);
    expect(await told(looks, 1)).toEqual(['unreadable']);
    expect(looks.seen[0]).toMatchObject({
      error: {
        code: 'ERR_SETTINGS_FILE',
        message: expect.stringContaining(`${path}: cannot be read: ENOENT`),
      },
    });
    await writeFile(path, content('two'));
    expect(await told(looks, 2)).toEqual(['unreadable', 'two']);
  });

  it('a folder that stays away is told once, and its return too', async () => {
    const path = await aFile();
    const looks = look(path, content('one'), watch);
    await rm(join(path, '..'), { recursive: true });
    expect(await told(looks, 1)).toEqual(['unreadable']);
    await mkdir(join(path, '..'));
    await writeFile(path, content('two'));
    expect(await told(looks, 2)).toEqual(['unreadable', 'two']);
  });

  it('a file that is half written for a while is told when it is whole', async () => {
    const path = await aFile();
    const looks = look(path, content('one'), watch, { settleMs: 30, holdMs: HOUR_MS });
    for (const half of ['', '# two\n', '# two\nregion = "sa"\n', '# two\nregion = "sa"\nversion']) {
      await writeFile(path, half);
      await until(() => looks.examined.at(-1) === half, { what: 'a look at the half' });
    }
    await writeFile(path, content('two'));
    expect(await told(looks, 1)).toEqual(['two']);
  });

  it('a file that stays half written is told as it is', async () => {
    const path = await aFile();
    const looks = look(path, content('one'), watch);
    await writeFile(path, 'version');
    expect(await told(looks, 1)).toEqual(['broken "version"']);
    await writeFile(path, '');
    expect(await told(looks, 2)).toEqual(['broken "version"', 'broken ""']);
  });
});

describe('a look that is asked for', () => {
  it.each([
    ['while nobody watches', undefined],
    ['beside a watch', { intervalMs: HOUR_MS }],
  ] as const)('is told at once and whatever it finds, %s', async (_, watch) => {
    const path = await aFile();
    const looks = look(path, content('one'), watch);
    looks.asked$.next();
    expect(await told(looks, 1)).toEqual(['one']);
    await rm(path);
    looks.asked$.next();
    expect(await told(looks, 2)).toEqual(['one', 'unreadable']);
    await writeFile(path, 'half');
    looks.asked$.next();
    await until(() => looks.words().includes('broken "half"'), { what: 'the half to be told' });
    expect(looks.seen.filter(({ isAsked }) => isAsked)).toHaveLength(3);
  });

  it('is one for many that ask at once', async () => {
    const path = await aFile();
    const looks = look(path, content('one'), undefined);
    for (let time = 0; time < 10; time++) looks.asked$.next();
    expect(await told(looks, 1)).toEqual(['one']);
    looks.asked$.next();
    expect(await told(looks, 2)).toEqual(['one', 'one']);
  });

  it('is the only one where nobody watches', async () => {
    const path = await aFile();
    const looks = look(path, content('one'), undefined);
    await writeFile(path, content('two'));
    await writeFile(path, content('three'));
    looks.asked$.next();
    expect(await told(looks, 1)).toEqual(['three']);
  });
});

describe('a watch', () => {
  it('begins, goes on otherwise and ends while it runs', async () => {
    const path = await aFile();
    const watch$ = new RxSubject<FileWatchOptions | undefined>();
    const watch = (more: Omit<FileWatchOptions, 'onDeaf'>) => watch$.next({ ...more, onDeaf: () => {} });
    const looks = look(path, content('one'), watch$);
    await writeFile(path, content('two'));
    watch({ intervalMs: HOUR_MS });
    expect(await told(looks, 1)).toEqual(['two']);
    await writeFile(path, content('three'));
    expect(await told(looks, 2)).toEqual(['two', 'three']);
    watch({ intervalMs: 20, folders: noHints });
    await writeFile(path, content('four'));
    expect(await told(looks, 3)).toEqual(['two', 'three', 'four']);
    watch$.next(undefined);
    await writeFile(path, content('five'));
    await writeFile(path, content('six'));
    looks.asked$.next();
    expect(await told(looks, 4)).toEqual(['two', 'three', 'four', 'six']);
  });
});

describe('what is told', () => {
  it('refuses a pipe and a folder, which cannot be read twice', async () => {
    const folder = await temporaryFolder();
    const looks = look(folder, undefined, undefined);
    looks.asked$.next();
    expect(await told(looks, 1)).toEqual(['unreadable']);
    expect(looks.seen[0]).toMatchObject({ error: { message: expect.stringContaining('no regular file') } });
  });

  it('is nothing of what happens beside the file', async () => {
    const path = await aFile();
    let hints = 0;
    const looks = look(path, content('one'), {
      intervalMs: HOUR_MS,
      folders: (folder, onEvent) => {
        hints++;
        return noHints(folder, onEvent, () => {});
      },
    });
    await until(() => hints > 0, { what: 'the first look' });
    await writeFile(join(path, '..', 'other.toml'), content('two'));
    await writeFile(path, content('three'));
    looks.asked$.next();
    expect(await told(looks, 1)).toEqual(['three']);
  });

  it('comes by the poll where a folder cannot be watched, and that is said once', async () => {
    const path = await aFile();
    const looks = look(path, content('one'), {
      intervalMs: 20,
      folders: () => {
        throw new Error('no space left for watches');
      },
    });
    await writeFile(path, content('two'));
    expect(await told(looks, 1)).toEqual(['two']);
    await writeFile(path, content('three'));
    expect(await told(looks, 2)).toEqual(['two', 'three']);
    expect(looks.deaf).toHaveLength(1);
  });

  it('comes by the poll when a watch breaks, and the folder is watched anew', async () => {
    const path = await aFile();
    const watches: ((error: Error) => void)[] = [];
    const looks = look(path, content('one'), {
      intervalMs: 20,
      folders: (_folder, _onEvent, onError) => {
        watches.push(onError);
        return { close: () => {} };
      },
    });
    await until(() => watches.length === 1, { what: 'a watch' });
    watches[0]!(new Error('broken'));
    await until(() => watches.length === 2, { what: 'another watch' });
    await writeFile(path, content('two'));
    expect(await told(looks, 1)).toEqual(['two']);
    expect(looks.deaf).toHaveLength(1);
  });

  it('names a file that may not be read', async () => {
    const path = await aFile();
    if (process.getuid?.() === 0) await symlink('loop', join(path, '..', 'loop'));
    else await chmod(path, 0);
    const target = process.getuid?.() === 0 ? join(path, '..', 'loop') : path;
    const looks = look(target, content('one'), { intervalMs: HOUR_MS });
    expect(await told(looks, 1)).toEqual(['unreadable']);
    expect(looks.seen[0]).toMatchObject({
      error: { message: expect.stringMatching(/cannot be read: (ELOOP|EACCES)/) },
    });
  });
});
