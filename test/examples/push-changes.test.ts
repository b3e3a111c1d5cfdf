import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pathFromRoot } from '../support/markdown.ts';
import { createDatabase, type TestDatabase } from '../support/postgres.ts';
import { once } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const MAIN = pathFromRoot('examples/push-changes/main.ts');
const INSERT = 'INSERT INTO backends (id, app, region, country, wg_ip, port) VALUES ';

/** Runs the example; `said` resolves with the first line from `from` on that matches. */
function startExample(env: Readonly<Record<string, string>>) {
  const child = spawn(process.execPath, ['--conditions=edgeproxy-source', MAIN], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  let errors = '';
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const exited = once(child, 'close').then(([code]) => code as number | null);
  const said = (pattern: RegExp, from = 0): Promise<string> =>
    until(() => lines.slice(from).find((line) => pattern.test(line)), { what: `a line like ${pattern}` });
  return { child, lines, errors: () => errors, exited, said };
}

describe('examples/push-changes', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createDatabase();
  });
  afterAll(() => database.drop());

  it('prints each set as rows change, also after it lost its session, and ends on SIGTERM', async () => {
    const example = startExample({ DATABASE_URL: database.url });
    const { child, lines, said } = example;
    try {
      await said(/^created public\.backends, .*edgeproxy_backends_changed$/);
      await said(/^listening$/);
      expect(lines[0]).toBe('set 0: no backend');

      await database.query(
        `${INSERT} ('a', 'web', 'sa', 'BR', '10.0.0.1', 80), ('b', 'web', 'sa', 'BR', '::1', 81)`,
      );
      await said(/^set \d+: a 10\.0\.0\.1:80 weight 1, b \[::1\]:81 weight 1$/);
      await database.query(`UPDATE backends SET healthy = 0 WHERE id = 'a'`);
      await said(/^set \d+: b \[::1\]:81 weight 1, a is admin_down$/);

      const from = lines.length;
      await database.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()`);
      await database.query(`DELETE FROM backends WHERE id = 'a'`);
      await said(/^not listening: .*; next attempt in \d+ ms$/, from);
      await said(/^listening$/, from);
      await said(/^set \d+: b \[::1\]:81 weight 1$/, from);

      child.kill('SIGTERM');
      expect(await example.exited).toBe(0);
      expect([lines.at(-1), example.errors()]).toEqual(['stopped', '']);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('says what it needs when it gets no database', async () => {
    const example = startExample({});
    expect(await example.exited).toBe(1);
    expect(example.errors()).toContain('set DATABASE_URL to postgres://');
  });
});
