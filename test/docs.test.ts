import { execFile } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { withPart } from '../scripts/docs.ts';
import { createMetrics } from '../src/adapters/prometheus/metrics.ts';
import { SETTINGS } from '../src/config/catalogue.ts';
import { ENVIRONMENT_NAMES } from '../src/config/environment.ts';
import { loadSettings } from '../src/config/load.ts';
import { EdgeProxyError, ERROR_CODES, type ErrorCode } from '../src/errors.ts';
import { RTT_BUCKETS_SECONDS } from '../src/proxy/counters.ts';
import { createPoolSource } from '../src/proxy/pool-report.ts';
import { aBackend, aSet } from './support/backends.ts';
import {
  allDocuments,
  anchors,
  codeCell,
  linkTargets,
  pathFromRoot,
  readDocument,
  resolveLink,
  tableRows,
} from './support/markdown.ts';
import { aRouter } from './support/proxy.ts';
import { handshakeReportOf, newHandshakeCountersMemory } from '../src/proxy/tls/handshake-counters.ts';
import { SEED_EXAMPLE, SEED_METRICS, SEED_VARIABLES } from './support/seed.ts';

/** Names with our prefix that are no series: the channel of the changes, and the roles of the README. */
const OTHER_NAMES = ['edgeproxy_backends', 'edgeproxy_daemon', 'edgeproxy_operator'];

interface Series {
  readonly type: string;
  readonly labels: readonly string[];
}

/** Every series of our own that a daemon with one backend exposes, with its type and labels. */
async function exposedSeries(): Promise<ReadonlyMap<string, Series>> {
  const { traffic, applySet, state, slots } = aRouter();
  const metrics = createMetrics({
    traffic,
    limiter: { report: () => ({ evictedEarly: 0 }) },
    pool: createPoolSource(state.poolCounters, slots),
    tls: {
      report: () => ({
        ...handshakeReportOf(newHandshakeCountersMemory(1)),
        certificates: { applied: 0, refused: 0, unchanged: 0 },
        earliestExpiryMs: 0,
      }),
    },
    fleet: { report: () => [{ backendId: 'a', circuit: 'closed', verdict: 'healthy' }] },
    engine: { report: () => ({ engine: 'epoll', syscalls: 'addon', alive: 2, deaths: 0 }) },
    version: '1.2.3',
    bucketsSeconds: RTT_BUCKETS_SECONDS,
  });
  const set = aSet([aBackend()]);
  applySet(set);
  metrics.circuitTransitioned('reset');
  metrics.probed('ok');
  metrics.setApplied(set);
  metrics.rowsRead(0);
  metrics.rowsReadFailed();
  metrics.setPostgresConnected(true);
  metrics.registrations(() => 1).answered(200);
  const text = await metrics.scrape();
  const types = [...text.matchAll(/^# TYPE (edgeproxy_\w+) (\w+)$/gm)];
  return new Map(
    types.map(([, name, type]) => {
      const sample = new RegExp(`^${name}(?:_bucket|_sum|_count)?(?:\\{(.*)\\})? `, 'm').exec(text);
      expect(sample, `${name} has a sample`).not.toBeNull();
      const labels = [...(sample![1] ?? '').matchAll(/(\w+)="/g)].map(([, label]) => label!);
      return [name!, { type: type!, labels: labels.filter((label) => label !== 'le') }];
    }),
  );
}

describe('the settings table of the README', () => {
  it('is up to date, as `npm run docs:check` finds', async () => {
    const script = pathFromRoot('scripts/docs.ts');
    await expect(promisify(execFile)(process.execPath, [script, '--check'])).resolves.toMatchObject({
      stderr: '',
    });
  });

  it('is replaced between its markers, and nothing else', () => {
    const text = 'before\n<!-- a:start -->\nold\n<!-- a:end -->\nafter\n';
    expect(withPart(text, 'a', 'new')).toBe('before\n<!-- a:start -->\nnew\n<!-- a:end -->\nafter\n');
    expect(() => withPart('no markers', 'a', 'new')).toThrow('<!-- a:start -->');
  });
});

function printed(standard: unknown): string {
  if (standard === undefined) return '(required)';
  return typeof standard === 'string' ? standard : JSON.stringify(standard);
}

describe('the seed', () => {
  it.each(Object.entries(SEED_VARIABLES))('gives %s the default %s, and so do we', (name, standard) => {
    const setting = SETTINGS.find(({ env }) => env === name);
    expect(setting, `${name} is a setting`).toBeDefined();
    expect(printed(setting!.standard)).toBe(standard);
  });

  it('has an example that is accepted', () => {
    expect(loadSettings(SEED_EXAMPLE).settings.tls.enabled).toBe(true);
  });

  it.each(Object.entries(SEED_METRICS))('has the metric %s as a %s, and so do we', async (name, type) => {
    expect((await exposedSeries()).get(name)?.type).toBe(type);
  });
});

describe('docs/errors.md', () => {
  it('lists exactly the codes there are, with their exit codes', () => {
    const listed = tableRows(readDocument('docs/errors.md')).map((cells) => [
      codeCell(cells[0]),
      cells.at(-1),
    ]);
    const codes = Object.keys(ERROR_CODES) as ErrorCode[];
    expect(listed).toEqual(codes.map((code) => [code, String(new EdgeProxyError(code, '').exitCode)]));
  });
});

describe('docs/metrics.md', () => {
  it('lists exactly the series that a daemon exposes, with their types and labels', async () => {
    const listed = tableRows(readDocument('docs/metrics.md')).map(([name, type, labels]) => ({
      name: codeCell(name),
      type,
      labels: [...labels!.matchAll(/`(\w+)`/g)].map(([, label]) => label),
    }));
    const exposed = [...(await exposedSeries())].map(([name, series]) => ({ name, ...series }));
    const byName = (a: { readonly name: unknown }, b: { readonly name: unknown }) =>
      String(a.name) < String(b.name) ? -1 : 1;
    expect(listed.toSorted(byName)).toEqual(exposed.toSorted(byName));
  });
});

describe('docs/lexicon.md', () => {
  it('defines each term once, in alphabetical order', () => {
    const terms = [...readDocument('docs/lexicon.md').text.matchAll(/^- \*\*(.+?)\*\*/gm)].map(([, term]) =>
      term!.toLowerCase(),
    );
    expect(terms.length).toBeGreaterThan(30);
    expect(terms).toEqual([...new Set(terms)].toSorted((a, b) => (a < b ? -1 : 1)));
  });
});

describe.each(allDocuments().map((document) => [document.path, document] as const))('%s', (_, document) => {
  it('links only to what is there', () => {
    const broken = linkTargets(document)
      .filter((target) => !/^https?:/.test(target))
      .filter((target) => {
        const { path, anchor } = resolveLink(document, target);
        if (!existsSync(pathFromRoot(path))) return true;
        const isFile = statSync(pathFromRoot(path)).isFile();
        return anchor !== '' && !(isFile && anchors(readDocument(path)).includes(anchor));
      });
    expect(broken).toEqual([]);
  });

  it('names only variables, error codes and series that exist', async () => {
    const known = new Set([
      ...ENVIRONMENT_NAMES,
      ...Object.keys(ERROR_CODES),
      ...(await exposedSeries()).keys(),
      ...OTHER_NAMES,
    ]);
    const named = document.text.match(/\b(?:EDGEPROXY_|ERR_|edgeproxy_)\w+/g) ?? [];
    const unknown = named.filter((name) => !known.has(name) && !known.has(name.replace(/_bucket$/, '')));
    expect(unknown).toEqual([]);
  });

  it('names only npm scripts that exist', async () => {
    const { default: manifest } = (await import('../package.json', { with: { type: 'json' } })) as {
      default: { readonly scripts: Readonly<Record<string, string>> };
    };
    const named = [...document.text.matchAll(/\bnpm run (?:-s )?([\w:]+)/g)].map(([, name]) => name!);
    expect(named.filter((name) => !Object.hasOwn(manifest.scripts, name))).toEqual([]);
  });
});
