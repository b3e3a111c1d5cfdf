import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Backend, incarnationOf, sameBackend } from '../../src/domain/backend.ts';
import { type BackendStep, type LiveBackend, planBackends } from '../../src/domain/backend-plan.ts';
import { aBackend } from '../support/backends.ts';

const live = (fields: Partial<Backend>, connections = 0, isDraining = false): LiveBackend => ({
  backend: aBackend(fields),
  isDraining,
  connections,
});

const row = fc.record({
  id: fc.constantFrom('a', 'b', 'c', 'd'),
  port: fc.constantFrom(1, 2),
  weight: fc.constantFrom(0, 1),
  hardLimit: fc.constantFrom(0, 9),
  adminUp: fc.boolean(),
  deleted: fc.boolean(),
});
const list = fc
  .uniqueArray(row, { selector: ({ id }) => id })
  .map((rows) => rows.map((fields) => aBackend(fields)));

/** What lives once the steps have been taken and nothing drains any more. */
function after(before: readonly LiveBackend[], steps: readonly BackendStep[]): readonly Backend[] {
  const taking = new Map(
    before.filter(({ isDraining }) => !isDraining).map(({ backend }) => [incarnationOf(backend), backend]),
  );
  for (const { kind, backend } of steps) {
    if (kind === 'leaves') taking.delete(incarnationOf(backend));
    else taking.set(incarnationOf(backend), backend);
  }
  return [...taking.values()];
}

describe('the plan of a new list of backends', () => {
  it('leads from any backends to what the list says, and says nothing of those that stay as they are', () => {
    fc.assert(
      fc.property(list, list, fc.array(fc.boolean()), (old, next, draining) => {
        const before = old.map((backend, index) => ({
          backend: { ...backend, deleted: false },
          isDraining: draining[index] ?? false,
          connections: index,
        }));
        const steps = planBackends(before, next);
        const wanted = next.filter(({ deleted }) => !deleted);
        const reached = new Map(after(before, steps).map((backend) => [incarnationOf(backend), backend]));
        expect(reached.size).toBe(wanted.length);
        for (const backend of wanted)
          expect(sameBackend(reached.get(incarnationOf(backend))!, backend)).toBe(true);
        expect(
          planBackends(
            wanted.map((backend) => ({ backend, isDraining: false, connections: 0 })),
            next,
          ),
        ).toEqual([]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('says why a backend leaves, and whom that concerns', () => {
    const before = [live({ id: 'gone' }, 3), live({ id: 'deleted' }, 4), live({ id: 'moved' }, 5)];
    const next = [aBackend({ id: 'deleted', deleted: true }), aBackend({ id: 'moved', host: '127.0.0.2' })];
    expect(planBackends(before, next)).toEqual([
      { kind: 'leaves', backend: before[1]!.backend, connections: 4, cause: 'deleted' },
      { kind: 'leaves', backend: before[0]!.backend, connections: 3, cause: 'missing' },
      { kind: 'leaves', backend: before[2]!.backend, connections: 5, cause: 'moved' },
      { kind: 'comes', backend: next[1] },
    ]);
  });

  it('tells of one that drains and takes part again', () => {
    const before = [live({ id: 'a' }, 2, true), live({ id: 'b' }, 1, true)];
    expect(planBackends(before, [aBackend({ id: 'a', weight: 7 })])).toEqual([
      { kind: 'returns', backend: aBackend({ id: 'a', weight: 7 }), connections: 2 },
    ]);
  });

  it('names every column that has another value', () => {
    const changed = aBackend({
      app: 'other',
      region: 'eu',
      country: 'DE',
      adminUp: false,
      weight: 2,
      softLimit: 3,
      hardLimit: 4,
      health: { type: 'http', path: '/up' },
      proxyProtocol: 'v2',
    });
    expect(planBackends([live({}, 9)], [changed])).toEqual([
      {
        kind: 'changes',
        backend: changed,
        connections: 9,
        columns: [
          { column: 'app', old: 'demo', new: 'other' },
          { column: 'region', old: 'sa', new: 'eu' },
          { column: 'country', old: 'BR', new: 'DE' },
          { column: 'healthy', old: 1, new: 0 },
          { column: 'weight', old: 1, new: 2 },
          { column: 'soft_limit', old: 100, new: 3 },
          { column: 'hard_limit', old: 150, new: 4 },
          { column: 'health_check', old: null, new: { type: 'http', path: '/up' } },
          { column: 'proxy_protocol', old: null, new: 'v2' },
        ],
      },
    ]);
  });
});
