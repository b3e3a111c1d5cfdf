import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { NO_PERMIT } from '../../src/proxy/gates.ts';
import { WarmWires, type WarmWiresOptions } from '../../src/proxy/net/warm-wires.ts';
import { Occupancy } from '../../src/proxy/occupancy.ts';
import { newPoolCountersMemory, PoolCounters } from '../../src/proxy/pool-counters.ts';
import { newShortageMemory } from '../../src/proxy/shortage.ts';
import { sharedInts } from '../../src/proxy/shared-columns.ts';
import { aBackend } from '../support/backends.ts';
import { FakeWire } from '../support/fake-wire.ts';
import { LONG } from '../support/pools.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the pool of wires', () => {
  it('has no timer once it is shut, whatever comes after', async () => {
    const dialled: FakeWire[] = [];
    const options = {
      settings: { ...LONG, isOn: true },
      transport: {
        dial() {
          dialled.push(new FakeWire());
          return dialled.at(-1)!;
        },
      },
      router: { permit: NO_PERMIT, row: 0, table: { headers: [0] }, mayWarm: () => true },
      slots: { holding: () => ({ backend: aBackend() }) },
      shares: new Occupancy(sharedInts(1)),
      counters: new PoolCounters(newPoolCountersMemory(1)),
      shortages: newShortageMemory(),
      wakeHolders() {},
      now: () => performance.now(),
      isCrowded: () => false,
    } as unknown as WarmWiresOptions;
    const pool = new WarmWires(options);
    pool.take(0);
    await vi.advanceTimersByTimeAsync(1);
    const [wire] = dialled;
    pool.connected(wire!);
    expect(vi.getTimerCount()).toBeGreaterThan(0);
    pool.take(0);
    pool.shut();
    pool.take(0);
    pool.closed(wire!);
    pool.settingsChanged();
    await vi.advanceTimersByTimeAsync(1);
    expect(vi.getTimerCount()).toBe(0);
    expect(options.shares.of(0)).toBe(0);
  });
});
