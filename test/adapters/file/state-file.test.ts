import { execFile } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { defaultStateDir } from '../../../src/adapters/file/state-dir.ts';
import { loadState, saveState, stateFileName } from '../../../src/adapters/file/state-file.ts';
import { createStateSaver, type StateSaver } from '../../../src/adapters/file/state-saver.ts';
import { parseBackendRows, type Backend } from '../../../src/domain/backend.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';
import { until } from '../../support/until.ts';

const SAVED_AT_MS = 1_700_000_000_000;

function backendsOf(count: number, overrides: object = {}): readonly Backend[] {
  return parseBackendRows(
    Array.from({ length: count }, (_, index) => ({
      id: `b${String(index).padStart(5, '0')}`,
      app: 'web',
      region: 'eu',
      country: 'DE',
      wg_ip: 'fd00::1',
      port: 8080,
      healthy: 0,
      weight: 3,
      soft_limit: 5,
      hard_limit: 0,
      deleted: 1,
      proxy_protocol: 'v2',
      ...overrides,
    })),
  ).backends;
}

const statePath = async () => join(await temporaryFolder(), 'state', 'backends.json');

describe('the state file', () => {
  test('gives back what was saved, in every field', async () => {
    const path = await statePath();
    const backends = backendsOf(2);
    await saveState(path, backends, SAVED_AT_MS);
    expect(await loadState(path)).toEqual({ backends, skipped: [], savedAtMs: SAVED_AT_MS });
  });

  test('gives back any backends', async () => {
    const path = await statePath();
    const rows = fc.array(
      fc.record({
        id: fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }),
        app: fc.string({ minLength: 1 }),
        region: fc.constantFrom('sa', 'eu'),
        country: fc.constantFrom('BR', 'DE'),
        wg_ip: fc.oneof(fc.ipV4(), fc.ipV6()),
        port: fc.integer({ min: 1, max: 65_535 }),
        healthy: fc.boolean(),
        weight: fc.nat(),
        soft_limit: fc.nat(),
        hard_limit: fc.nat(),
        deleted: fc.boolean(),
        proxy_protocol: fc.constantFrom(null, undefined, 'off', 'v1', 'v2'),
      }),
      { maxLength: 5 },
    );
    await fc.assert(
      fc.asyncProperty(rows, async (some) => {
        const { backends } = parseBackendRows(some);
        await saveState(path, backends, SAVED_AT_MS);
        expect(await loadState(path)).toEqual({ backends, skipped: [], savedAtMs: SAVED_AT_MS });
      }),
      { numRuns: 50 },
    );
  });

  test('is undefined where there is none', async () => {
    expect(await loadState(await statePath())).toBeUndefined();
  });

  test('an empty set is a set', async () => {
    const path = await statePath();
    await saveState(path, [], SAVED_AT_MS);
    expect(await loadState(path)).toEqual({ backends: [], skipped: [], savedAtMs: SAVED_AT_MS });
  });

  test.skipIf(process.platform === 'win32')(
    'is for its owner only, also when it was not before',
    async () => {
      const path = await statePath();
      await saveState(path, backendsOf(1), SAVED_AT_MS);
      await chmod(path, 0o644);
      await saveState(path, backendsOf(2), SAVED_AT_MS);
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      expect((await stat(join(path, '..'))).mode & 0o777).toBe(0o700);
      expect(await readdir(join(path, '..'))).toEqual(['backends.json']);
    },
  );

  test('rows that cannot be read any more are named, the others are there', async () => {
    const path = await statePath();
    await saveState(path, backendsOf(2), SAVED_AT_MS);
    const text = await readFile(path, 'utf8');
    await writeFile(path, text.replace('"port":8080', '"port":70000'));
    expect(await loadState(path)).toMatchObject({
      backends: [{ id: 'b00001' }],
      skipped: [{ id: 'b00000', problems: [expect.stringContaining('port = 70000')] }],
    });
  });

  test.each([
    ['empty', ''],
    ['cut off', '{"format":"edgeproxy-state-1","savedAtMs":1,"rows":[{"id":"a"'],
    ['of another format', '{"format":"edgeproxy-state-2","savedAtMs":1,"rows":[]}'],
    ['no object', '[]'],
    ['without rows', '{"format":"edgeproxy-state-1","savedAtMs":1}'],
    ['without a time', '{"format":"edgeproxy-state-1","rows":[]}'],
  ])('one that is %s is an error with the path, never an empty set', async (_title, content) => {
    const path = join(await temporaryFolder(), 'backends.json');
    await writeFile(path, content);
    await expect(loadState(path)).rejects.toMatchObject({
      code: 'ERR_STATE_DIR',
      message: expect.stringContaining(path),
    });
  });

  test('a folder in its place is an error for both', async () => {
    const path = join(await temporaryFolder(), 'backends.json');
    await mkdir(join(path, 'inside'), { recursive: true });
    await expect(loadState(path)).rejects.toMatchObject({ code: 'ERR_STATE_DIR' });
    await expect(saveState(path, [], SAVED_AT_MS)).rejects.toMatchObject({
      code: 'ERR_STATE_DIR',
      message: expect.stringContaining(path),
    });
    expect(await readdir(join(path, '..'))).toEqual(['backends.json']);
  });

  test('a folder that cannot be made is an error with the path', async () => {
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, '');
    await expect(saveState(join(file, 'state.json'), [], SAVED_AT_MS)).rejects.toMatchObject({
      code: 'ERR_STATE_DIR',
      message: expect.stringContaining(join(file, 'state.json')),
    });
  });

  test.skipIf(process.platform === 'win32')(
    'a disk that fills up while writing leaves the old file as it was',
    async () => {
      const path = await statePath();
      const before = backendsOf(3);
      await saveState(path, before, SAVED_AT_MS);
      const script = `
      import { saveState } from ${JSON.stringify(join(import.meta.dirname, '../../../src/adapters/file/state-file.ts'))};
      const backend = { ...JSON.parse(process.argv[2]) };
      const many = Array.from({ length: 1000 }, (_, index) => ({ ...backend, id: 'b' + index }));
      await saveState(process.argv[1], many, 0).then(() => console.log('saved'), (error) => console.log(error.code));`;
      const { stdout } = await promisify(execFile)('sh', [
        '-c',
        'ulimit -f 16 && exec "$0" "$@"',
        process.execPath,
        '--input-type=module',
        '-e',
        script,
        path,
        JSON.stringify(before[0]),
      ]);
      expect(stdout.trim()).toBe('ERR_STATE_DIR');
      expect(await loadState(path)).toMatchObject({ backends: before });
      expect(await readdir(join(path, '..'))).toEqual(['backends.json']);
    },
  );
});

function createSaver(
  path: string,
  pauseMs: number,
): {
  readonly saver: StateSaver<readonly Backend[]>;
  readonly errors: unknown[];
  readonly writes: () => number;
} {
  const errors: unknown[] = [];
  let writes = 0;
  const saver = createStateSaver<readonly Backend[]>({
    write: (backends) => saveState(path, backends, SAVED_AT_MS + (writes += 1)),
    pauseMs,
    onError: (error) => errors.push(error),
  });
  onTestFinished(() => saver.flush());
  return { saver, errors, writes: () => writes };
}

const weightIn = async (path: string) => (await loadState(path))?.backends[0]?.weight;

describe('the saver', () => {
  test('writes at once, then the newest of what came meanwhile', async () => {
    const path = await statePath();
    const { saver, writes } = createSaver(path, 0);
    for (let weight = 1; weight <= 50; weight += 1) saver.save(backendsOf(1, { weight }));
    await until(async () => (await weightIn(path)) === 50, { what: 'the newest' });
    expect(writes()).toBe(2);
  });

  test('flush writes the newest without waiting for the pause', async () => {
    const path = await statePath();
    const { saver, errors } = createSaver(path, 60_000);
    saver.save(backendsOf(1, { weight: 1 }));
    saver.save(backendsOf(1, { weight: 2 }));
    await saver.flush();
    expect(await weightIn(path)).toBe(2);
    saver.save(backendsOf(1, { weight: 3 }));
    await Promise.all([saver.flush(), saver.flush()]);
    expect(await weightIn(path)).toBe(3);
    expect(errors).toEqual([]);
  });

  test('pauses between two writes', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    const path = await statePath();
    const { saver } = createSaver(path, 1000);
    const written = async (weight: number) =>
      vi.waitUntil(async () => (await weightIn(path)) === weight, { interval: 1 });
    saver.save(backendsOf(1, { weight: 1 }));
    await written(1);
    await vi.waitUntil(() => vi.getTimerCount() > 0, { interval: 1 });
    saver.save(backendsOf(1, { weight: 2 }));
    await vi.advanceTimersByTimeAsync(999);
    expect(await weightIn(path)).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    await written(2);
  });

  test('tells a failed write, and writes again at the next save', async () => {
    const file = join(await temporaryFolder(), 'state');
    await writeFile(file, '');
    const path = join(file, 'backends.json');
    const { saver, errors } = createSaver(path, 0);
    saver.save(backendsOf(1));
    await saver.flush();
    expect(errors).toMatchObject([{ code: 'ERR_STATE_DIR' }]);
    await rm(file);
    saver.save(backendsOf(1, { weight: 7 }));
    await saver.flush();
    expect(await weightIn(path)).toBe(7);
  });

  test('flush with nothing to write is done at once', async () => {
    const { saver, errors } = createSaver(await statePath(), 60_000);
    await saver.flush();
    expect(errors).toEqual([]);
  });
});

describe('the name of the file', () => {
  test('differs between databases and says nothing of them', () => {
    const names = ['h:5432/a', 'h:5432/b', 'h:5433/a', 'i:5432/a'].map(stateFileName);
    expect(new Set(names).size).toBe(4);
    expect(stateFileName('h:5432/a')).toBe(names[0]);
    for (const name of names) expect(name).toMatch(/^backends-[0-9a-f]{12}\.json$/);
  });
});

describe('the default folder', () => {
  const linux = { platform: 'linux', env: {}, isRoot: false, home: '/home/me' } as const;
  test.each([
    ['root on Linux', { ...linux, isRoot: true, home: '/root' }, '/var/lib/edgeproxy'],
    ['a user on Linux', linux, '/home/me/.local/state/edgeproxy'],
    ['XDG_STATE_HOME', { ...linux, env: { XDG_STATE_HOME: '/xdg' } }, '/xdg/edgeproxy'],
    [
      'a relative XDG_STATE_HOME',
      { ...linux, env: { XDG_STATE_HOME: 'xdg' } },
      '/home/me/.local/state/edgeproxy',
    ],
    ['an empty XDG_STATE_HOME', { ...linux, env: { XDG_STATE_HOME: '' } }, '/home/me/.local/state/edgeproxy'],
    ['root on FreeBSD', { ...linux, platform: 'freebsd', isRoot: true }, '/home/me/.local/state/edgeproxy'],
    [
      'macOS',
      { ...linux, platform: 'darwin', home: '/Users/me' },
      '/Users/me/Library/Application Support/edgeproxy',
    ],
    ['Windows', { ...linux, platform: 'win32', env: { LOCALAPPDATA: 'C:\\Local' } }, 'C:\\Local\\edgeproxy'],
    [
      'Windows without LOCALAPPDATA',
      { ...linux, platform: 'win32', home: 'C:\\Me' },
      'C:\\Me\\AppData\\Local\\edgeproxy',
    ],
  ] as const)('of %s', (_title, system, folder) => {
    expect(defaultStateDir(system)).toBe(folder);
  });

  test('is known on this system', () => {
    expect(defaultStateDir()).toMatch(/edgeproxy$/);
  });
});
