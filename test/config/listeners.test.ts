import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { changeBetween } from '../../src/config/diff.ts';
import { listenerMoves, listenersOf } from '../../src/config/listeners.ts';
import { loadSettings } from '../../src/config/load.ts';
import type { Settings } from '../../src/config/schema.ts';
import { overlap } from '../../src/domain/listen-address.ts';

const A = '127.0.0.1:7001';
const B = '127.0.0.1:7002';
const C = '127.0.0.1:7003';

/** Addresses of the listeners, those absent being switched off; that of the proxy is far from all others. */
interface Places {
  readonly proxy?: string | undefined;
  readonly metrics?: string | undefined;
  readonly admin?: string | undefined;
  readonly api?: string | undefined;
  readonly engine?: string;
}

function settingsOf({ proxy = '127.0.0.1:7000', engine = 'auto', ...sides }: Places): Settings {
  const env = Object.entries(sides).flatMap(([name, address]) =>
    address === undefined
      ? []
      : [
          [`EDGEPROXY_${name.toUpperCase()}_ENABLED`, 'true'],
          [`EDGEPROXY_${name.toUpperCase()}_LISTEN_ADDR`, address],
        ],
  );
  return loadSettings({
    EDGEPROXY_LISTEN_ADDR: proxy,
    EDGEPROXY_ENGINE: engine,
    ...Object.fromEntries(env),
  }).settings;
}

const moves = (running: Places, next: Places) => listenerMoves(settingsOf(running), settingsOf(next));

describe('listenerMoves', () => {
  it('has each listener move once who had its new address has left it', () => {
    expect(moves({ metrics: A, admin: B }, { metrics: B, admin: C })).toEqual({
      order: ['admin.listen_addr', 'metrics.listen_addr'],
      stuck: [],
    });
    expect(moves({ proxy: A, metrics: B }, { proxy: B, metrics: C }).order).toEqual([
      'metrics.listen_addr',
      'listen_addr',
    ]);
    expect(moves({ metrics: A, admin: B }, { metrics: B }).order).toEqual([
      'admin.listen_addr',
      'metrics.listen_addr',
    ]);
  });

  it('has none move that want the addresses of each other', () => {
    expect(moves({ metrics: A, admin: B }, { metrics: B, admin: A })).toEqual({
      order: [],
      stuck: ['metrics.listen_addr', 'admin.listen_addr'],
    });
    expect(moves({ proxy: A, metrics: B, admin: C }, { proxy: B, metrics: C, admin: A }).stuck).toHaveLength(
      3,
    );
  });

  it('has a listener overlap its own address where it can share its port', () => {
    const every = A.replace('127.0.0.1', '0.0.0.0');
    expect(moves({ proxy: A }, { proxy: every }).order).toEqual(['listen_addr']);
    expect(moves({ proxy: A, engine: 'net' }, { proxy: every, engine: 'net' }).stuck).toEqual([
      'listen_addr',
    ]);
    expect(moves({ metrics: A }, { metrics: every }).stuck).toEqual(['metrics.listen_addr']);
  });

  it('has the listeners of routes move with that of the proxy', () => {
    const routed = (proxy: string, routes: readonly string[], metrics?: string): Settings => {
      const tables = routes.map((address) => `[[routes]]\nlisten_addr = "${address}"\napp = "x"\n`);
      const sides = metrics === undefined ? '' : `[metrics]\nenabled = true\nlisten_addr = "${metrics}"\n`;
      const content = `engine = "net"\nlisten_addr = "${proxy}"\n${sides}${tables.join('')}`;
      return loadSettings({}, { path: 'edge.toml', content }).settings;
    };
    const moved = listenerMoves(routed(A, [B], C), routed(B, [A, C]));
    expect(moved).toEqual({ order: ['metrics.listen_addr', 'listen_addr'], stuck: [] });
    const every = B.replace('127.0.0.1', '0.0.0.0');
    expect(listenerMoves(routed(A, [B]), routed(A, [every])).stuck).toEqual(['listen_addr']);
    const { changes, needsRestart } = changeBetween(routed(A, [B], C), routed(A, [C], B));
    expect(changes).toEqual([]);
    expect(needsRestart.map(({ key }) => key)).toEqual(['metrics.listen_addr', 'routes']);
  });

  const place = fc.option(fc.constantFrom(A, B, C, '0.0.0.0:7001', '[::]:7002'), { nil: undefined });
  const places = fc
    .record({ proxy: place, metrics: place, admin: place, api: place })
    .filter((one) => isValid(one))
    .map(settingsOf);

  it('binds no address that is taken, and keeps from moving only who can never', () => {
    fc.assert(
      fc.property(places, places, (running, next) => {
        const isFixed = (key: string): boolean => key === 'api.listen_addr';
        const { order, stuck } = listenerMoves(running, next, isFixed);
        const held = new Map(listenersOf(running));
        const wanted = listenersOf(next);
        const takers = (key: string): readonly string[] =>
          [...held]
            .filter(
              ([other, address]) => other !== key && wanted.has(key) && overlap(wanted.get(key)!, address),
            )
            .map(([other]) => other);
        for (const key of order) {
          expect(takers(key)).toEqual([]);
          if (wanted.has(key)) held.set(key, wanted.get(key)!);
          else held.delete(key);
        }
        for (const key of stuck) {
          expect(isFixed(key)).toBe(false);
          // Itself, where it cannot share its port.
          const inTheWay = takers(key).length > 0 ? takers(key) : [key];
          expect(inTheWay.every((other) => stuck.includes(other) || isFixed(other))).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('a change of addresses', () => {
  it('that cannot be made in a running daemon waits for a restart, and so does who depends on it', () => {
    const running = settingsOf({ metrics: A, admin: B });
    const { settings, changes, needsRestart } = changeBetween(
      running,
      settingsOf({ metrics: B, admin: A, proxy: C }),
    );
    expect(changes.map(({ key }) => key)).toEqual(['listen_addr']);
    expect(needsRestart.map(({ key }) => key)).toEqual(['metrics.listen_addr', 'admin.listen_addr']);
    expect(settings).toMatchObject({ metrics: running.metrics, admin: running.admin, listen_addr: C });
  });

  it('waits for a restart where it wants what a listener has that needs one', () => {
    const { changes, needsRestart } = changeBetween(
      settingsOf({ api: A }),
      settingsOf({ api: B, metrics: A }),
    );
    expect(changes).toEqual([]);
    expect(needsRestart.map(({ key }) => key)).toEqual([
      'metrics.enabled',
      'metrics.listen_addr',
      'api.listen_addr',
    ]);
  });
});

function isValid(one: Places): boolean {
  try {
    settingsOf(one);
    return true;
  } catch {
    return false;
  }
}
