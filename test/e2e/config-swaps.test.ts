import { describe, expect, it } from 'vitest';
import { storm } from '../fuzz/config-storm.ts';
import { aDatabase } from '../support/edge.ts';

const SWAPS = 200;

describe('200 swaps of the file and of settings in SQL', () => {
  it('are each taken over once, and not felt by 64 clients', async () => {
    const { url: databaseUrl } = await aDatabase();
    const report = await storm({ databaseUrl, swaps: SWAPS, clients: 64, seconds: 0 });
    expect(report).toMatchObject({ failures: [], troubles: [] });
    expect(report.told).toEqual(
      Array.from({ length: SWAPS }, (_, swap) => (swap % 2 === 0 ? 'file' : 'sql')),
    );
    expect(report.connections).toBeGreaterThan(64);
  });
});
