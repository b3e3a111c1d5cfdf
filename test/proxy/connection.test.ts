import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { REFUSAL_REASONS } from '../../src/domain/outcome.ts';
import { EVERY_APP } from '../../src/proxy/apps.ts';
import { Connection } from '../../src/proxy/connection.ts';
import type { ConnectionOptions } from '../../src/proxy/connection-options.ts';
import { IpAddress } from '../../src/proxy/ip-address.ts';
import { HeldDials } from '../../src/proxy/net/held-dials.ts';
import { aBackend } from '../support/backends.ts';
import { FakeWire } from '../support/fake-wire.ts';
import { silentLogger } from '../support/proxy.ts';

const ignore = (): void => {};

/** What a router answers that routes to nobody. */
const NO_BACKEND = -1 - REFUSAL_REASONS.indexOf('no_backend');

interface Surroundings {
  /** Whether there is a wire for it in the pool. */
  readonly isPooled: boolean;
  readonly hasRoom: () => boolean;
  readonly isRouted: () => boolean;
  readonly onRefused: (reason: string) => void;
}

/** A connection that has a place at a backend that may be dialled again: by default, with a wire from the pool. */
function aConnection({
  isPooled = true,
  hasRoom = () => true,
  isRouted = () => true,
  onRefused = ignore,
}: Partial<Surroundings> = {}) {
  const client = new FakeWire();
  const warm = new FakeWire();
  const dialled: FakeWire[] = [];
  let [ended, places] = [0, 0];
  const pool = {
    take: () => (isPooled ? { wire: warm, tenancy: 0, bornMs: 0, tookMs: 1 } : undefined),
    wasStale: ignore,
    makesRoom: hasRoom,
    yieldDescriptors: () => false,
  };
  const heldDials = new HeldDials(pool);
  const timed = new Set<Connection>();
  const options = {
    router: {
      table: { headers: [0] },
      enter() {
        if (!isRouted()) return NO_BACKEND;
        places++;
        return 0;
      },
      rowOfTenancy: () => (isRouted() ? 0 : -1),
      mayRedial: () => true,
      connected: ignore,
      settle: ignore,
      leave: () => places--,
    },
    slots: { at: () => ({ slot: 0, tenancy: 0, incarnation: 'b1', backend: aBackend() }) },
    warm: pool,
    heldDials,
    transport: {
      dial() {
        dialled.push(new FakeWire());
        return dialled.at(-1)!;
      },
    },
    counters: { connected: ignore, clientEnded: ignore, errors: [0] },
    timeouts: { connectTimeoutMs: 5_000, connectAttempts: 3 },
    dialClock: timed,
    lines: { of: () => ({ mustWait: false, remove: ignore }) },
    logger: silentLogger,
    now: () => 0,
    report: ignore,
    onRefused,
    onEnded: () => ended++,
  } as unknown as ConnectionOptions;
  const connection = new Connection(
    client,
    { address: IpAddress.of('127.0.0.1'), app: EVERY_APP },
    undefined,
    options,
  );
  connection.begin();
  return {
    connection,
    client,
    warm,
    dialled,
    heldDials,
    timed,
    ended: () => ended,
    places: () => places,
  };
}

describe('a connection whose wire from the pool is dead', () => {
  it('dials another one when that is closed', () => {
    const { client, warm, dialled, ended } = aConnection();
    warm.reader!.ended(warm);
    expect([warm.endings, dialled.length]).toEqual([['close'], 0]);
    warm.holder!.closed(warm);
    expect([client.endings, dialled.length, ended()]).toEqual([[], 1, 0]);
  });

  it('dials none when it is ended before that', () => {
    const { connection, client, warm, dialled, ended } = aConnection();
    warm.reader!.ended(warm);
    connection.abort();
    warm.holder!.closed(warm);
    expect([dialled.length, ended()]).toEqual([0, 0]);
    client.holder!.closed(client);
    expect(ended()).toBe(1);
  });
});

describe('a connection whose room other threads have to make', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function aHeldConnection() {
    const world = { hasRoom: false, isRouted: true };
    const refused: string[] = [];
    const connection = aConnection({
      isPooled: false,
      hasRoom: () => world.hasRoom,
      isRouted: () => world.isRouted,
      onRefused: (reason) => void refused.push(reason),
    });
    expect([connection.dialled.length, connection.timed.size, connection.places()]).toEqual([0, 1, 1]);
    return { ...connection, world, refused };
  }

  it('is dialled when there is room, as it finds by itself, and no timer is left', () => {
    const { world, dialled, timed, heldDials, places } = aHeldConnection();
    vi.advanceTimersByTime(5);
    expect(dialled.length).toBe(0);
    world.hasRoom = true;
    vi.advanceTimersByTime(1);
    heldDials.look();
    expect([dialled.length, timed.size, places(), vi.getTimerCount()]).toEqual([1, 1, 1, 0]);
  });

  it('is dialled for a client of a backend that has not left, and for no other', () => {
    const { world, heldDials, dialled, timed, client, places, refused } = aHeldConnection();
    world.isRouted = false;
    world.hasRoom = true;
    heldDials.look();
    expect([dialled.length, timed.size, places(), refused]).toEqual([0, 0, 0, ['no_backend']]);
    expect(client.endings).toEqual(['close']);
  });

  it('gives its place back when it is ended, when its client goes, and when it has taken too long', () => {
    const aborted = aHeldConnection();
    aborted.connection.abort();
    expect(aborted.client.endings).toEqual(['close']);
    const gone = aHeldConnection();
    gone.client.holder!.closed(gone.client);
    expect(gone.ended()).toBe(1);
    const late = aHeldConnection();
    late.world.isRouted = false;
    late.connection.dialExpired();
    for (const { world, heldDials, dialled, timed, places } of [aborted, gone, late]) {
      world.hasRoom = true;
      heldDials.look();
      expect([dialled.length, timed.size, places()]).toEqual([0, 0, 0]);
    }
    vi.runAllTimers();
    expect(vi.getTimerCount()).toBe(0);
  });
});
