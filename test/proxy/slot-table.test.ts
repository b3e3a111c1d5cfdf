import { describe, expect, it } from 'vitest';
import { MAX_SLOTS } from '../../src/proxy/shared-columns.ts';
import { aBackend, aSet } from '../support/backends.ts';
import { aRouter, type Place } from '../support/proxy.ts';

describe('series of backends', () => {
  it('stay until their last connection has ended and their last numbers were read', () => {
    const { router, apply, counters, traffic } = aRouter();
    const ids = (): readonly string[] => traffic.report().backends.map(({ backendId }) => backendId);
    apply([aBackend({ id: 'a' }), aBackend({ id: 'b', port: 2, adminUp: false })]);
    const place = router.enter('10.0.0.1', []) as Place;
    counters.connected(place.slot, 0.002);
    counters.sent(place.slot, 10);
    expect(ids()).toEqual(['a', 'b']);
    apply([aBackend({ id: 'b', port: 2 })]);
    expect(ids()).toEqual(['a', 'b']);
    counters.sent(place.slot, 5);
    router.leave(place);
    expect(traffic.report().backends[0]).toMatchObject({ backendId: 'a', bytesSent: 15, active: 0 });
    expect(ids()).toEqual(['b']);
    expect(traffic.report().bytesSent).toBe(15);
  });

  it('start from zero for the next backend that gets the slot', () => {
    const { router, apply, counters, traffic } = aRouter();
    apply([aBackend({ id: 'a' })]);
    const place = router.enter('10.0.0.1', []) as Place;
    counters.connected(place.slot, 10);
    counters.received(place.slot, 7);
    router.leave(place);
    apply([]);
    traffic.report();
    apply([aBackend({ id: 'b' })]);
    const [b] = traffic.report().backends;
    expect(b).toMatchObject({ backendId: 'b', connections: 0, bytesReceived: 0, rttSumSeconds: 0 });
    expect(Math.max(...b!.rttCounts)).toBe(0);
  });

  it('are added up over the incarnations of one id', () => {
    const { router, apply, traffic } = aRouter();
    apply([aBackend({ id: 'a', port: 1 })]);
    router.enter('10.0.0.1', []);
    apply([aBackend({ id: 'a', port: 2 })]);
    router.enter('10.0.0.1', []);
    expect(traffic.report().backends).toMatchObject([{ backendId: 'a', active: 2 }]);
  });
});

describe('totals of an id', () => {
  it('do not fall when it moves to another address and the old one has gone', () => {
    const { router, apply, counters, traffic } = aRouter();
    apply([aBackend({ id: 'a', port: 1 })]);
    const place = router.enter('10.0.0.1', []) as Place;
    counters.connected(place.slot, 0.001);
    counters.sent(place.slot, 10);
    router.leave(place);
    apply([aBackend({ id: 'a', port: 2 })]);
    traffic.report();
    expect(traffic.report().backends).toMatchObject([{ backendId: 'a', connections: 1, bytesSent: 10 }]);
    apply([]);
    traffic.report();
    expect(traffic.report().backends).toEqual([]);
  });
});

describe('SlotTable', () => {
  it('names the backends that find no slot, and reuses what is gone without waiting for a scrape', () => {
    const { applySet, slots } = aRouter();
    const many = (prefix: string, count: number) =>
      Array.from({ length: count }, (_, index) =>
        aBackend({ id: `${prefix}${String(index).padStart(5, '0')}` }),
      );
    expect(applySet(aSet(many('a', MAX_SLOTS + 2), 1))).toEqual([`a${MAX_SLOTS}`, `a${MAX_SLOTS + 1}`]);
    expect(applySet(aSet(many('b', 3), 2))).toEqual([]);
    expect(slots.of('b00002@127.0.0.1:9000')).toBeDefined();
  });
});
