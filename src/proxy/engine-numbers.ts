import type { PoolSettings } from '../domain/pool.ts';
import { sharedInts } from './shared-columns.ts';
import type { Timeouts } from './timeouts.ts';

/** 0 is no limit. */
export interface ConnectionBounds {
  /** Connections of clients at one time. */
  readonly maxConnections: number;
  /** Of one client. */
  readonly maxPerClient: number;
}

export interface QueueBounds {
  /** Clients that may wait at one time, in all threads together; 0 is none. */
  readonly maxWaiting: number;
  readonly timeoutMs: number;
}

export interface PoolSwitch {
  readonly isOn: boolean;
}

export interface HandshakeBounds {
  readonly timeoutMs: number;
  /** In all threads together. */
  readonly maxUnderWay: number;
}

/** All the numbers that an engine goes by and that may change while it runs; 31 bits each. */
export interface EngineNumbers {
  readonly timeouts: Timeouts;
  /** How long a client stays bound after its last connection; 0 turns affinity off. */
  readonly binding: { readonly ttlMs: number };
  /** Time for a PROXY header to come. */
  readonly header: { readonly timeoutMs: number };
  /** Time for a TLS greeting to come. */
  readonly hello: { readonly timeoutMs: number };
  readonly limits: ConnectionBounds;
  readonly queue: QueueBounds;
  readonly pool: PoolSettings & PoolSwitch;
  /** Whether there is a line in the log for each connection. */
  /** Of the TLS listener. */
  readonly handshakes: HandshakeBounds;
  readonly log: { readonly isDetailed: boolean };
  /** Descriptors from this number on are not for clients. */
  readonly descriptors: { readonly clientCeiling: number };
}

const CELL = {
  connectTimeoutMs: 0,
  connectAttempts: 1,
  idleTimeoutMs: 2,
  halfClosedTimeoutMs: 3,
  firstByteTimeoutMs: 4,
  bindingTtlMs: 5,
  headerTimeoutMs: 6,
  maxConnections: 7,
  maxPerClient: 8,
  maxWaiting: 9,
  waitTimeoutMs: 10,
  isPoolOn: 11,
  maxPerBackend: 12,
  poolIdleTimeoutMs: 13,
  poolMaxLifetimeMs: 14,
  poolConnectTimeoutMs: 15,
  isLogDetailed: 16,
  clientCeiling: 17,
  handshakeTimeoutMs: 18,
  maxHandshakes: 19,
  helloTimeoutMs: 20,
  count: 21,
} as const;

/** In memory that the threads of an engine share: what is written there counts for all of them from then on. */
export type EngineNumbersMemory = Int32Array<SharedArrayBuffer>;

export function newEngineNumbersMemory(numbers: EngineNumbers): EngineNumbersMemory {
  const memory = sharedInts(CELL.count);
  writeEngineNumbers(memory, numbers);
  return memory;
}

export function writeEngineNumbers(memory: EngineNumbersMemory, numbers: EngineNumbers): void {
  const { timeouts, binding, header, hello, limits, queue, pool, handshakes, log, descriptors } = numbers;
  const write = (cell: number, value: number): void => void Atomics.store(memory, cell, value);
  write(CELL.connectTimeoutMs, timeouts.connectTimeoutMs);
  write(CELL.connectAttempts, timeouts.connectAttempts);
  write(CELL.idleTimeoutMs, timeouts.idleTimeoutMs);
  write(CELL.halfClosedTimeoutMs, timeouts.halfClosedTimeoutMs);
  write(CELL.firstByteTimeoutMs, timeouts.firstByteTimeoutMs);
  write(CELL.bindingTtlMs, binding.ttlMs);
  write(CELL.headerTimeoutMs, header.timeoutMs);
  write(CELL.helloTimeoutMs, hello.timeoutMs);
  write(CELL.maxConnections, limits.maxConnections);
  write(CELL.maxPerClient, limits.maxPerClient);
  write(CELL.maxWaiting, queue.maxWaiting);
  write(CELL.waitTimeoutMs, queue.timeoutMs);
  write(CELL.isPoolOn, Number(pool.isOn));
  write(CELL.maxPerBackend, pool.maxPerBackend);
  write(CELL.poolIdleTimeoutMs, pool.idleTimeoutMs);
  write(CELL.poolMaxLifetimeMs, pool.maxLifetimeMs);
  write(CELL.poolConnectTimeoutMs, pool.connectTimeoutMs);
  write(CELL.isLogDetailed, Number(log.isDetailed));
  write(CELL.handshakeTimeoutMs, handshakes.timeoutMs);
  write(CELL.maxHandshakes, handshakes.maxUnderWay);
  write(CELL.clientCeiling, descriptors.clientCeiling);
}

/** The numbers as they are whenever they are looked at: to be read anew each time, never kept. */
export function engineNumbersIn(memory: EngineNumbersMemory): EngineNumbers {
  return {
    timeouts: {
      get connectTimeoutMs() {
        return memory[CELL.connectTimeoutMs]!;
      },
      get connectAttempts() {
        return memory[CELL.connectAttempts]!;
      },
      get idleTimeoutMs() {
        return memory[CELL.idleTimeoutMs]!;
      },
      get halfClosedTimeoutMs() {
        return memory[CELL.halfClosedTimeoutMs]!;
      },
      get firstByteTimeoutMs() {
        return memory[CELL.firstByteTimeoutMs]!;
      },
    },
    binding: {
      get ttlMs() {
        return memory[CELL.bindingTtlMs]!;
      },
    },
    header: {
      get timeoutMs() {
        return memory[CELL.headerTimeoutMs]!;
      },
    },
    hello: {
      get timeoutMs() {
        return memory[CELL.helloTimeoutMs]!;
      },
    },
    limits: {
      get maxConnections() {
        return memory[CELL.maxConnections]!;
      },
      get maxPerClient() {
        return memory[CELL.maxPerClient]!;
      },
    },
    queue: {
      get maxWaiting() {
        return memory[CELL.maxWaiting]!;
      },
      get timeoutMs() {
        return memory[CELL.waitTimeoutMs]!;
      },
    },
    pool: {
      get isOn() {
        return memory[CELL.isPoolOn] !== 0;
      },
      get maxPerBackend() {
        return memory[CELL.maxPerBackend]!;
      },
      get idleTimeoutMs() {
        return memory[CELL.poolIdleTimeoutMs]!;
      },
      get maxLifetimeMs() {
        return memory[CELL.poolMaxLifetimeMs]!;
      },
      get connectTimeoutMs() {
        return memory[CELL.poolConnectTimeoutMs]!;
      },
    },
    handshakes: {
      get timeoutMs() {
        return memory[CELL.handshakeTimeoutMs]!;
      },
      get maxUnderWay() {
        return memory[CELL.maxHandshakes]!;
      },
    },
    log: {
      get isDetailed() {
        return memory[CELL.isLogDetailed] !== 0;
      },
    },
    descriptors: {
      get clientCeiling() {
        return memory[CELL.clientCeiling]!;
      },
    },
  };
}
