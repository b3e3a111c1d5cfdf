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

  it.each([
    [2, 1_467_586_993],
    [3, 1_797_785_964],
    [4, -1_959_668_479],
  ])('of %i words has the value that the Linux kernel tests its own with', (count, hash) => {
    const words = [0x0302_0100, 0x0706_0504, 0x0b0a_0908, 0x0f0e_0d0c];
    expect(keyedHash({ low: 0x0302_0100, high: 0x0706_0504 }, words, 0, count)).toBe(hash);
  });

  it('spreads neighbours over all sets alike, by another rule under each key', () => {
    const [sets, clients] = [64, 64_000];
    const setsUnder = (low: number): readonly number[] =>
      Array.from({ length: clients }, (_, host) => {
        const hash = keyedHash({ low, high: 7 }, [0x0a00_0000 + host, -1], 0, 2);
        return Math.floor(((hash >>> 0) * sets) / 2 ** 32);
      });
    const [one, other] = [setsUnder(1), setsUnder(2)];
    const counts = Array.from({ length: sets }, () => 0);
    for (const set of one) counts[set]!++;
    expect(Math.min(...counts)).toBeGreaterThan(800);
    expect(Math.max(...counts)).toBeLessThan(1_200);
    const alike = one.filter((set, index) => set === other[index]).length;
    expect(alike).toBeLessThan((clients / sets) * 1.5);
  });

  it('has another key each time', () => {
    expect(newHashKey()).not.toEqual(newHashKey());
  });
});
