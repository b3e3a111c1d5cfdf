import { describe, expect, it } from 'vitest';
import { Registry } from '../../src/domain/registry.ts';
import { aBackend } from '../support/backends.ts';

const TTL_MS = 60_000;
const STARTED_AT_MS = 1_700_000_000_000;
const LONG_MS = 3_600_000;

/** A registry on a clock that the test sets; the id `file` is taken. */
function aRegistry() {
  let nowMs = 0;
  const registry = new Registry({
    ttlMs: () => TTL_MS,
    now: () => nowMs,
    wallClock: () => STARTED_AT_MS + nowMs,
    isTaken: (id) => id === 'file',
  });
  return { registry, pass: (ms: number) => void (nowMs += ms) };
}

const NOTHING = { expired: [], removed: [] };

describe('the registry of a daemon without a database', () => {
  it('takes a backend out after a TTL of silence, and removes it after another one', () => {
    const { registry, pass } = aRegistry();
    expect(registry.register(aBackend({ id: 'a' }))).toEqual({ result: 'registered' });
    pass(TTL_MS - 1);
    expect(registry.sweep(LONG_MS)).toEqual(NOTHING);
    pass(1);
    expect(registry.sweep(LONG_MS)).toEqual({ expired: ['a'], removed: [] });
    expect(registry.find('a')).toMatchObject({ backend: { expired: true }, heardMsAgo: TTL_MS });
    pass(TTL_MS - 1);
    expect(registry.sweep(LONG_MS)).toEqual(NOTHING);
    pass(1);
    expect(registry.sweep(LONG_MS)).toEqual({ expired: [], removed: ['a'] });
    expect([registry.find('a'), registry.count]).toEqual([undefined, 0]);
  });

  it('takes it in again when it is heard of before that', () => {
    const { registry, pass } = aRegistry();
    registry.register(aBackend({ id: 'a' }));
    expect(registry.heartbeat('a')).toBe('heard');
    pass(TTL_MS);
    registry.sweep(LONG_MS);
    expect(registry.heartbeat('a')).toBe('revived');
    expect(registry.find('a')).toMatchObject({ heardMsAgo: 0, registeredMsAgo: TTL_MS });
    expect(registry.kept()[0]!.backend).toEqual(aBackend({ id: 'a' }));
    expect(registry.heartbeat('nobody')).toBe('unknown');
  });

  it('tells a registration from one that changes something', () => {
    const { registry, pass } = aRegistry();
    registry.register(aBackend({ id: 'a' }));
    expect(registry.register(aBackend({ id: 'a' }))).toEqual({ result: 'unchanged' });
    expect(registry.register(aBackend({ id: 'a', port: 1 }))).toEqual({ result: 'updated' });
    pass(TTL_MS);
    registry.sweep(LONG_MS);
    expect(registry.register(aBackend({ id: 'a', port: 1 }))).toEqual({ result: 'updated' });
    expect(registry.sweep(LONG_MS)).toEqual(NOTHING);
  });

  it('leaves the ids of the file alone', () => {
    const { registry } = aRegistry();
    expect(registry.register(aBackend({ id: 'file' }))).toMatchObject({ result: 'taken' });
    expect(registry.count).toBe(0);
    expect(registry.deregister('file')).toBe(false);
  });

  it('forgets who deregisters', () => {
    const { registry } = aRegistry();
    registry.register(aBackend({ id: 'b' }));
    registry.register(aBackend({ id: 'a' }));
    expect(registry.list().map(({ backend }) => backend.id)).toEqual(['a', 'b']);
    expect([registry.deregister('a'), registry.deregister('a')]).toEqual([true, false]);
    expect(registry.count).toBe(1);
  });

  it('counts silence from its start for what was kept over a restart', () => {
    const { registry, pass } = aRegistry();
    registry.register(aBackend({ id: 'a' }));
    pass(TTL_MS - 1);
    const next = aRegistry();
    next.pass(10 * TTL_MS);
    next.registry.load(registry.kept());
    expect(next.registry.sweep(0)).toEqual(NOTHING);
    expect(next.registry.find('a')).toMatchObject({ heardMsAgo: 0, registeredMsAgo: 10 * TTL_MS });
    next.pass(TTL_MS);
    expect(next.registry.sweep(TTL_MS)).toEqual({ expired: ['a'], removed: [] });
  });
});
