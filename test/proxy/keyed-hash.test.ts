import { describe, expect, it } from 'vitest';
import { keyedHash, newHashKey } from '../../src/proxy/keyed-hash.ts';

const ZERO = { low: 0, high: 0 };

describe('the keyed hash', () => {
  // Computed by another implementation, which also gives the vectors of the reference code and of the Linux kernel.
  it.each([
    [
      { low: 0x0302_0100, high: 0x0706_0504 },
      [0x0302_0100, 0x0706_0504, 0x0b0a_0908, 0x0f0e_0d0c],
      0x8b31_d501,
    ],
    [ZERO, [0, 0, 0, 0], 0xd1d8_b8bd],
    [{ low: -1, high: 0x8000_0001 | 0 }, [-1, -1, -1, -1], 0xc982_d8b6],
  ])('is HalfSipHash-1-3: %j %j', (key, words, hash) => {
    expect(keyedHash(key, words) >>> 0).toBe(hash);
    expect(keyedHash(key, Uint32Array.from(words)) >>> 0).toBe(hash);
    expect(keyedHash(key, Int32Array.from([7, ...words]), 1) >>> 0).toBe(hash);
  });

  it('has another key each time', () => {
    expect(newHashKey()).not.toEqual(newHashKey());
  });
});
