import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DISCARD_REASONS } from '../../src/domain/pool.ts';
import { Occupancy } from '../../src/proxy/occupancy.ts';
import { newPoolCountersMemory, PoolCounters } from '../../src/proxy/pool-counters.ts';
import { sharedInts } from '../../src/proxy/shared-columns.ts';
import { newShortageMemory, Shortage } from '../../src/proxy/shortage.ts';
import { WarmPool } from '../../src/proxy/warm-pool.ts';

const THREADS = 2;
const SLOTS = 2;
const SETTINGS = { maxPerBackend: 3, idleTimeoutMs: 5_000, maxLifetimeMs: 12_000, connectTimeoutMs: 1_000 };

interface Fake {
  readonly slot: number;
  readonly thread: number;
  state: 'connecting' | 'open' | 'dead' | 'closed';
  holder: 'pool' | 'client';
  waited?: true;
}

/** The pools of several threads, and all sockets that there ever were. */
class World {
  nowMs = 0;
  readonly sockets: Fake[] = [];
  readonly shares = new Occupancy(sharedInts(SLOTS));
  readonly counters = Array.from({ length: THREADS }, () => new PoolCounters(newPoolCountersMemory(SLOTS)));
  readonly routed = new Set(Array.from({ length: SLOTS }, (_, slot) => slot));
  /** Connections that may be there, warm or not, by slot. */
  readonly room = Array.from({ length: SLOTS }, () => Infinity);
  hasDescriptors = true;
  isCrowded = false;
  /** Backends to which a connect fails at once. */
  readonly unreachable = new Set<number>();
  readonly shortages = newShortageMemory();
  readonly mistakes: string[] = [];
  readonly pools = Array.from(
    { length: THREADS },
    (_, thread) =>
      new WarmPool<Fake>({
        settings: SETTINGS,
        now: () => this.nowMs,
        random: () => 0.5,
        shares: this.shares,
        counters: this.counters[thread]!,
        mayWarm: (slot, warm) => this.routed.has(slot) && warm + this.clientsAt(slot) < this.room[slot]!,
        isCrowded: () => this.isCrowded,
        shortage: new Shortage(this.shortages, () => this.nowMs),
        connect: (slot) => {
          if (!this.hasDescriptors) return 'exhausted';
          if (this.unreachable.has(slot)) return 'failed';
          const socket: Fake = { slot, thread, state: 'connecting', holder: 'pool' };
          this.sockets.push(socket);
          return socket;
        },
        isAlive: ({ state }) => state === 'open',
        waits: (socket) => {
          if (socket.holder !== 'pool' || !['open', 'dead'].includes(socket.state))
            this.mistakes.push(`tells that one waits that is ${socket.state} of a ${socket.holder}`);
          socket.waited = true;
        },
        close: (socket) => {
          if (socket.state === 'closed' || socket.holder !== 'pool')
            this.mistakes.push('closes what is not its own');
          if (this.shares.of(socket.slot) < this.pooled(socket.slot).length)
            this.mistakes.push('gives a share back before its connection is closed');
          socket.state = 'closed';
        },
      }),
  );

  pooled(slot: number, thread?: number): readonly Fake[] {
    return this.sockets.filter(
      (socket) =>
        socket.slot === slot &&
        socket.holder === 'pool' &&
        socket.state !== 'closed' &&
        (thread === undefined || socket.thread === thread),
    );
  }

  clientsAt(slot: number): number {
    return this.sockets.filter((s) => s.slot === slot && s.holder === 'client' && s.state !== 'closed')
      .length;
  }

  /** What is wrong: shares that are not those of the sockets that are there, or are beyond the cap. */
  problems(): readonly string[] {
    return [
      ...this.mistakes,
      ...Array.from({ length: SLOTS }, (_, slot) => slot).flatMap((slot) => {
        const shares = this.shares.of(slot);
        const own = this.counters.map(({ warm }, thread) => warm[slot]! - this.pooled(slot, thread).length);
        if (shares > SETTINGS.maxPerBackend) return [`slot ${slot}: ${shares} shares`];
        if (shares !== this.pooled(slot).length) return [`slot ${slot}: shares of nothing`];
        return own.some((difference) => difference !== 0) ? [`slot ${slot}: counted wrongly`] : [];
      }),
    ];
  }
}

const thread = fc.nat(THREADS - 1);
const slot = fc.nat(SLOTS - 1);
const which = fc.nat(1_000);
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('come' as const), thread, slot }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('answer' as const), which, isUp: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('run' as const), thread, ms: fc.nat(2_000) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('leave' as const), which, isSilent: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('lose' as const),
      which,
      reason: fc.constantFrom('data' as const, 'closed' as const, 'error' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('die' as const), which }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('route' as const), slot, isRouted: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('room' as const), slot, room: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('descriptors' as const), thread, has: fc.boolean() }) },
);

describe('WarmPool', () => {
  it('gives no socket to two clients, keeps the cap over all threads, and loses none, whatever happens', () => {
    let [hits, returned] = [0, 0];
    fc.assert(
      fc.property(fc.array(step, { minLength: 100, maxLength: 200 }), (steps) => {
        const world = new World();
        const pick = (of: (socket: Fake) => boolean, number: number): Fake | undefined => {
          const some = world.sockets.filter(of);
          return some[number % some.length];
        };
        for (const action of steps) {
          switch (action.do) {
            case 'come': {
              if (!world.routed.has(action.slot)) break;
              const socket = world.pools[action.thread]!.take(action.slot);
              if (socket === undefined) break;
              const { slot: at, thread: of } = action;
              expect(socket).toMatchObject({ holder: 'pool', state: 'open', slot: at, thread: of });
              socket.holder = 'client';
              break;
            }
            case 'answer': {
              const socket = pick(
                ({ state, holder }) => state === 'connecting' && holder === 'pool',
                action.which,
              );
              if (socket === undefined) break;
              if (action.isUp) socket.state = 'open';
              if (action.isUp) world.pools[socket.thread]!.connected(socket);
              else world.pools[socket.thread]!.failed(socket);
              break;
            }
            case 'run':
              world.nowMs += action.ms;
              world.pools[action.thread]!.run();
              break;
            case 'leave': {
              const socket = pick(
                ({ state, holder }) => state === 'open' && holder === 'client',
                action.which,
              );
              if (socket === undefined) break;
              const isBack =
                action.isSilent && world.pools[socket.thread]!.giveBack(socket.slot, socket, 100, 20);
              if (isBack) socket.holder = 'pool';
              else socket.state = 'closed';
              if (isBack) returned++;
              break;
            }
            case 'lose': {
              const socket = pick(({ state, holder }) => state === 'open' && holder === 'pool', action.which);
              if (socket !== undefined) world.pools[socket.thread]!.lost(socket, action.reason);
              break;
            }
            case 'die': {
              const socket = pick(({ state, holder }) => state === 'open' && holder === 'pool', action.which);
              if (socket !== undefined) socket.state = 'dead';
              break;
            }
            case 'route':
              if (action.isRouted) world.routed.add(action.slot);
              else world.routed.delete(action.slot);
              for (const pool of world.pools) pool.keepOnly((tenancy) => world.routed.has(tenancy));
              if (!action.isRouted) expect(world.pooled(action.slot)).toEqual([]);
              break;
            case 'room':
              world.room[action.slot] = action.room;
              break;
            case 'descriptors':
              world.hasDescriptors = action.has;
              if (!action.has) world.pools[action.thread]!.yieldDescriptors();
              break;
            default:
              action satisfies never;
          }
          expect(world.problems()).toEqual([]);
        }
        hits += world.counters.reduce((sum, counters) => sum + counters.hits.reduce((a, b) => a + b, 0), 0);
        for (const pool of world.pools) pool.shut();
        expect(world.problems()).toEqual([]);
        for (let at = 0; at < SLOTS; at++) expect(world.pooled(at)).toEqual([]);
        for (const pool of world.pools) expect(pool.nextMs()).toBe(-1);
      }),
      { numRuns: 900 },
    );
    expect(Math.min(hits, returned)).toBeGreaterThan(100);
  });

  it('counts every socket that it has opened once: hit, given up, or failed', () => {
    const world = new World();
    const [pool] = world.pools;
    const [counters] = world.counters;
    for (let round = 0; round < 200; round++) {
      const socket = pool!.take(0);
      if (socket !== undefined) socket.state = 'closed';
      pool!.run();
      for (const [index, each] of world.sockets.entries()) {
        if (each.state !== 'connecting' || each.holder !== 'pool') continue;
        if (index % 7 === 0) pool!.failed(each);
        else {
          each.state = index % 5 === 0 ? 'dead' : 'open';
          pool!.connected(each);
        }
      }
      world.nowMs += 300;
    }
    pool!.shut();
    const discarded = DISCARD_REASONS.reduce((sum, reason) => sum + counters!.discards(reason), 0);
    const all = counters!.hits[0]! + discarded + counters!.total('connectFailures');
    expect(all).toBe(world.sockets.length);
    expect(counters!.hits[0]! + counters!.misses[0]!).toBe(200);
    expect(counters!.hits[0]).toBeGreaterThan(50);
  });

  it('is to be looked at as long as there is something, and lets go of a backend that nobody comes to', () => {
    const world = new World();
    const pool = world.pools[0]!;
    expect(pool.nextMs()).toBe(-1);
    pool.take(0);
    expect(pool.nextMs()).toBe(0);
    pool.run();
    expect(pool.nextMs()).toBeGreaterThan(0);
    for (const socket of world.sockets) {
      socket.state = 'open';
      pool.connected(socket);
    }
    for (let round = 0; pool.nextMs() >= 0; round++) {
      expect(round).toBeLessThan(100);
      world.nowMs += Math.max(1, pool.nextMs());
      pool.run();
    }
    expect(world.nowMs).toBeGreaterThanOrEqual(SETTINGS.idleTimeoutMs);
    expect(world.nowMs).toBeLessThan(SETTINGS.idleTimeoutMs + SETTINGS.maxLifetimeMs);
    expect(world.pooled(0)).toEqual([]);
  });

  it('gives up on a connect that takes too long, and closes what clients have taken the room of', () => {
    const world = new World();
    const pool = world.pools[0]!;
    pool.take(0);
    pool.run();
    world.nowMs += SETTINGS.connectTimeoutMs;
    pool.run();
    expect(world.sockets[0]).toMatchObject({ state: 'closed' });
    expect(world.counters[0]!.total('connectFailures')).toBe(1);

    pool.take(1);
    pool.run();
    const socket = world.pooled(1)[0]!;
    socket.state = 'open';
    pool.connected(socket);
    world.room[1] = 0;
    world.nowMs += 500;
    pool.run();
    expect(socket.state).toBe('closed');
    expect(world.counters[0]!.discards('surplus')).toBe(1);
  });

  it('waits with a backend that cannot be connected to, and with no other', () => {
    const world = new World();
    const pool = world.pools[0]!;
    world.unreachable.add(0);
    for (const at of [0, 1]) pool.take(at);
    pool.run();
    expect(world.pooled(0)).toEqual([]);
    expect(world.pooled(1).length).toBeGreaterThan(0);
    expect(world.counters[0]!.total('connectFailures')).toBe(1);
    pool.take(0);
    pool.run();
    expect(world.counters[0]!.total('connectFailures')).toBe(1);
    expect(world.problems()).toEqual([]);
    world.unreachable.clear();
    world.nowMs += 500;
    pool.run();
    expect(world.pooled(0).length).toBeGreaterThan(0);
  });

  it('waits after one that was handed out was dead', () => {
    const world = new World();
    const pool = world.pools[0]!;
    pool.take(0);
    pool.run();
    const opened = world.sockets.length;
    pool.wasStale(0);
    for (const socket of world.pooled(0)) pool.lost(socket, 'data');
    pool.take(0);
    pool.run();
    expect(world.sockets.length).toBe(opened);
    expect(world.counters[0]!.discards('stale')).toBe(1);
  });

  it('gives nothing and asks for no time once it is shut, and counts who comes all the same', () => {
    const world = new World();
    const pool = world.pools[0]!;
    pool.take(0);
    pool.run();
    pool.shut();
    expect(pool.take(0)).toBeUndefined();
    pool.run();
    expect(pool.nextMs()).toBe(-1);
    expect(world.pooled(0)).toEqual([]);
    expect(world.counters[0]!.misses[0]).toBe(2);
  });

  it('takes back what there is room for, where the client who leaves still holds his place', () => {
    const world = new World();
    const pool = world.pools[0]!;
    const aClients = (): Fake => {
      const socket: Fake = { slot: 0, thread: 0, state: 'open', holder: 'client' };
      world.sockets.push(socket);
      return socket;
    };
    const [first, second, third] = [aClients(), aClients(), aClients()];
    world.room[0] = 3;
    expect(pool.giveBack(0, first, 100, 20)).toBe(true);
    first.holder = 'pool';
    second.state = 'closed';
    world.room[0] = 1;
    expect(pool.giveBack(0, third, 100, 20)).toBe(false);
    world.room[0] = 2;
    expect(pool.giveBack(0, third, 100, 20)).toBe(true);
  });

  it('opens none where the room has been taken while it took its share', () => {
    const world = new World();
    const pool = world.pools[0]!;
    let asked = 0;
    Object.defineProperty(world.room, 0, { get: () => (asked++ === 0 ? 3 : 0) });
    pool.take(0);
    pool.run();
    expect(asked).toBe(2);
    expect(world.sockets).toEqual([]);
    expect(world.problems()).toEqual([]);
  });

  it('counts one that is in the way until it is closed', () => {
    const world = new World();
    const [here, there] = world.pools;
    for (const pool of world.pools) {
      pool.take(0);
      pool.run();
    }
    expect(world.shares.of(0)).toBe(2);
    world.room[0] = 1;
    here!.makeRoom(1);
    expect(world.shares.of(0)).toBe(2);
    here!.makeRoom(0);
    expect([world.shares.of(0), world.pooled(0, 0).length]).toEqual([1, 0]);
    world.room[0] = 0;
    there!.makeRoomEverywhere();
    expect([world.shares.of(0), world.pooled(0).length]).toEqual([0, 0]);
    expect(world.problems()).toEqual([]);
  });

  it('lets a shortage rest that was told when it had nothing to give', () => {
    const world = new World();
    const [here, there] = world.pools;
    there!.yieldDescriptors();
    world.nowMs += 60_000;
    here!.take(0);
    here!.run();
    for (const socket of world.pooled(0)) {
      socket.state = 'open';
      here!.connected(socket);
    }
    world.nowMs += 500;
    here!.run();
    expect(world.counters[0]!.discards('descriptors')).toBe(0);
    expect(world.pooled(0).length).toBeGreaterThan(0);
  });

  it('opens nothing while clients wait for places', () => {
    const world = new World();
    const pool = world.pools[0]!;
    world.isCrowded = true;
    pool.take(0);
    pool.run();
    expect(world.sockets).toEqual([]);
    world.isCrowded = false;
    world.nowMs += 500;
    pool.run();
    expect(world.pooled(0).length).toBeGreaterThan(0);
  });

  it('gives way when descriptors run short in any thread, and opens nothing for a while', () => {
    const world = new World();
    const [here, there] = world.pools;
    for (const [at, pool] of world.pools.entries()) {
      pool.take(at);
      pool.run();
      for (const socket of world.pooled(at)) {
        socket.state = 'open';
        pool.connected(socket);
      }
      expect(world.pooled(at).length).toBeGreaterThan(0);
    }
    expect(here!.yieldDescriptors()).toBe(true);
    expect(world.pooled(0)).toEqual([]);
    expect(here!.yieldDescriptors()).toBe(false);
    world.nowMs += 500;
    there!.run();
    expect(world.pooled(1)).toEqual([]);
    there!.take(1);
    there!.run();
    expect(world.pooled(1)).toEqual([]);
    world.nowMs += 1_000;
    there!.run();
    expect(world.pooled(1).length).toBeGreaterThan(0);
  });

  it('tells which connections wait, once nobody has wanted them for a while', () => {
    const world = new World();
    const pool = world.pools[0]!;
    pool.take(0);
    pool.run();
    const [socket] = world.pooled(0);
    socket!.state = 'open';
    pool.connected(socket!);
    pool.run();
    expect(socket!.waited).toBeUndefined();
    world.nowMs += 1_000;
    pool.run();
    expect(socket!.waited).toBe(true);
  });
});
