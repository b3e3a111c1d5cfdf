import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Subject } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { FileRegistrar } from '../../src/composition/file-registrar.ts';
import type { Backend } from '../../src/domain/backend.ts';
import { aBackend } from '../support/backends.ts';
import { silentLogger } from '../support/proxy.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const TTL_MS = 1_000;

function aRegistrar(path: string) {
  let nowMs = 0;
  const errors: string[] = [];
  const registrar = new FileRegistrar({
    path,
    ttlMs: () => TTL_MS,
    logger: { ...silentLogger, error: (_: object, message: string) => errors.push(message) },
    now: () => nowMs,
    wallClock: () => nowMs,
  });
  return { registrar, errors, pass: (ms: number) => void (nowMs += ms) };
}

const aPath = async (): Promise<string> => join(await temporaryFolder(), 'registrations.json');

describe('the registrar of a daemon without a database', () => {
  it('merges what has registered with the backends of the file, from its load on', async () => {
    const { registrar, pass } = aRegistrar(await aPath());
    const file$ = new Subject<readonly Backend[]>();
    const seen: string[] = [];
    const subscription = registrar
      .mergedWith(file$)
      .subscribe((backends) =>
        seen.push(backends.map(({ id, port, expired }) => `${id}:${port}${expired ? '!' : ''}`).join(' ')),
      );
    file$.next([aBackend({ id: 'b', port: 1 })]);
    expect(seen).toEqual([]);
    await registrar.load();
    await registrar.register(aBackend({ id: 'a', port: 2 }));
    await registrar.register(aBackend({ id: 'a', port: 2 }));
    await registrar.heartbeat('a');
    expect(await registrar.register(aBackend({ id: 'b', port: 2 }))).toMatchObject({ result: 'taken' });
    pass(TTL_MS);
    await registrar.sweep(TTL_MS);
    await registrar.heartbeat('a');
    file$.next([aBackend({ id: 'a', port: 1 })]);
    file$.next([]);
    await registrar.deregister('a');
    subscription.unsubscribe();
    expect(seen).toEqual(['b:1', 'a:2 b:1', 'a:2! b:1', 'a:2 b:1', 'a:1', 'a:2', '']);
  });

  it('has a registration on disk before it answers, also many at one time', async () => {
    const path = await aPath();
    const { registrar } = aRegistrar(path);
    await registrar.load();
    await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        await registrar.register(aBackend({ id: `b${index}` }));
        expect(await readFile(path, 'utf8')).toContain(`"b${index}"`);
      }),
    );
    const next = aRegistrar(path);
    await next.registrar.load();
    expect(next.registrar.count).toBe(100);
  });

  it('tells of a file that it cannot use, and goes on', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'file'), 'no folder');
    const { registrar, errors } = aRegistrar(join(folder, 'file', 'registrations.json'));
    await registrar.load();
    expect(await registrar.register(aBackend())).toEqual({ result: 'registered' });
    expect(await registrar.list()).toHaveLength(1);
    expect(errors).toEqual(['registrations cannot be loaded', 'registrations cannot be saved']);
  });
});
