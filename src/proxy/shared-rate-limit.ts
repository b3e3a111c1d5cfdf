import { type BucketScale, bucketScaleOf, type RateLimit } from '../domain/token-bucket.ts';
import { sharedInts } from './shared-columns.ts';

export type SharedRateLimitMemory = Int32Array<SharedArrayBuffer>;

/** Cells: the number of the limit in force, whether it counts, whether it ever has, and the last limits in turn. */
const GENERATION = 0;
const IS_ON = 1;
const HAS_BEEN_ON = 2;
const FIRST_LIMIT = 3;
const CELLS_OF_LIMIT = 3;
/**
 * Who reads a limit and the one before it may be overtaken by two changes before it is noticed; more than that cannot
 * happen, as each change is told of before the next one is written.
 */
const LIMITS = 4;

/** Fails with `ERR_SETTINGS_INVALID` on a number out of range. */
export function newSharedRateLimitMemory(limit: RateLimit, isOn: boolean): SharedRateLimitMemory {
  bucketScaleOf(limit);
  const memory = sharedInts(FIRST_LIMIT + LIMITS * CELLS_OF_LIMIT);
  write(memory, 0, limit);
  memory[IS_ON] = memory[HAS_BEEN_ON] = Number(isOn);
  return memory;
}

/** The limit that all threads go by, as one of them knows it; changed by one thread alone. */
export class SharedRateLimit {
  readonly #memory: SharedRateLimitMemory;
  #generation = 0;
  #scale: BucketScale;
  #scaleBefore: BucketScale;

  constructor(memory: SharedRateLimitMemory) {
    this.#memory = memory;
    this.#scale = this.#scaleBefore = bucketScaleOf(read(memory, 0));
    this.follow();
  }

  /** Whether the limit counts at all. */
  get isOn(): boolean {
    return Atomics.load(this.#memory, IS_ON) !== 0;
  }

  /** Whether it ever has: before that, every bucket is full. */
  get hasBeenOn(): boolean {
    return Atomics.load(this.#memory, HAS_BEEN_ON) !== 0;
  }

  /** How often the limit had been changed when this thread took it over. */
  get generation(): number {
    return this.#generation;
  }

  get scale(): BucketScale {
    return this.#scale;
  }

  /** Of the limit before it. */
  get scaleBefore(): BucketScale {
    return this.#scaleBefore;
  }

  /** Takes over the limit in force. */
  follow(): void {
    for (;;) {
      const generation = Atomics.load(this.#memory, GENERATION);
      const [limit, before] = [read(this.#memory, generation), read(this.#memory, generation - 1)];
      if (Atomics.load(this.#memory, GENERATION) !== generation) continue;
      this.#generation = generation;
      this.#scale = bucketScaleOf(limit);
      if (generation > 0) this.#scaleBefore = bucketScaleOf(before);
      return;
    }
  }

  /** Brings another limit into force; only once every bucket that is not full goes by the present one. */
  change(limit: RateLimit): void {
    bucketScaleOf(limit);
    const generation = this.#generation + 1;
    write(this.#memory, generation, limit);
    Atomics.store(this.#memory, GENERATION, generation);
    this.follow();
  }

  switch(isOn: boolean): void {
    if (isOn) Atomics.store(this.#memory, HAS_BEEN_ON, 1);
    Atomics.store(this.#memory, IS_ON, Number(isOn));
  }
}

function cellOf(generation: number): number {
  return FIRST_LIMIT + (generation & (LIMITS - 1)) * CELLS_OF_LIMIT;
}

function read(memory: SharedRateLimitMemory, generation: number): RateLimit {
  const cell = cellOf(generation);
  const at = (offset: number): number => Atomics.load(memory, cell + offset);
  return { maxRequests: at(0), windowMs: at(1), burstSize: at(2) };
}

function write(memory: SharedRateLimitMemory, generation: number, limit: RateLimit): void {
  const { maxRequests, windowMs, burstSize } = limit;
  for (const [offset, value] of [maxRequests, windowMs, burstSize].entries())
    Atomics.store(memory, cellOf(generation) + offset, value);
}
