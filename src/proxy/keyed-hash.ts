import { randomBytes } from 'node:crypto';

const INIT_2 = 0x6c79_6765;
const INIT_3 = 0x7465_6462;
const FINAL = 0xff;
const FINAL_ROUNDS = 3;

/** A secret of 64 bits: who does not know it cannot choose what collides. */
export interface HashKey {
  readonly low: number;
  readonly high: number;
}

export function newHashKey(): HashKey {
  const bytes = randomBytes(8);
  return { low: bytes.readInt32LE(0), high: bytes.readInt32LE(4) };
}

/**
 * Hashes `count` 32-bit words from `at` on to 32 bits (as a signed number): HalfSipHash-1-3, what the Linux kernel keys
 * its hash tables with on 32-bit machines.
 *
 * The round stands here twice: a function for it would have to return four numbers.
 */
export function keyedHash({ low, high }: HashKey, words: ArrayLike<number>, at = 0, count = 4): number {
  let v0 = low | 0;
  let v1 = high | 0;
  let v2 = INIT_2 ^ low;
  let v3 = INIT_3 ^ high;
  for (let index = 0; index <= count; index++) {
    // Their length in bytes, in the upper bits, is the last word.
    const word = index < count ? words[at + index]! | 0 : count << 26;
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  v2 ^= FINAL;
  for (let round = 0; round < FINAL_ROUNDS; round++) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
  return v1 ^ v3;
}
