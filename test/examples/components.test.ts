import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { pathFromRoot } from '../support/markdown.ts';

/** The lines that an example of a component prints. */
async function linesOf(name: string): Promise<readonly string[]> {
  const args = ['--conditions=edgeproxy-source', pathFromRoot(`examples/components/${name}.ts`)];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
  expect(stderr).toBe('');
  return stdout.trimEnd().split('\n');
}

describe('examples/components', () => {
  it('rate-limiter serves a burst, refuses, and shares what is left with another thread', async () => {
    const [served = '', ...rest] = await linesOf('rate-limiter');
    expect(
      Number(/^200 OK, (\d+) times, then 429 Too Many Requests$/.exec(served)?.[1]),
    ).toBeGreaterThanOrEqual(10);
    expect(rest).toEqual(['2001:db8::2 has 9 left', '4 here, 6 in another thread, 0 left']);
  });

  it('connection-pool spares the handshake, and shares no connection that was used', async () => {
    expect(await linesOf('connection-pool')).toEqual([
      'first: dialled, Hello 1',
      'second: warm, Hello 2',
      'third: warm, given back unused',
      'hits: 2, misses: 1, came back: 1',
    ]);
  });
});
