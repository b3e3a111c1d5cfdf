import * as fc from 'fast-check';
import { firstValueFrom, from, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  applySettings,
  KEYS_OF,
  RELOADABLE_KEYS,
  type SettingsTakers,
} from '../../src/composition/apply-settings.ts';
import { type ConfigInput, pendingOf, startConfiguration } from '../../src/config/configuration.ts';
import { loadSettings, valueOf } from '../../src/config/load.ts';
import type { Settings } from '../../src/config/schema.ts';
import { readSqlSettings, type SqlSettingRow } from '../../src/config/sql-settings.ts';
import { configChanges$, type ConfigStep } from '../../src/streams/config-changes.ts';
import { BAD_FILES } from '../support/bad-configurations.ts';

type Taker = keyof SettingsTakers;

const NO_ENV = {};
const SCOPE = { region: 'sa', node: 'host' };

/** Those that may find that they cannot. */
const FALLIBLE: readonly Taker[] = ['listeners', 'metricsListener', 'adminListener', 'geoFile'];

const fileOf = (content: string): ConfigInput => ({ source: 'file', file: { path: 'edge.toml', content } });
const rowsOf = (settings: Readonly<Record<string, unknown>>): ConfigInput => ({
  source: 'sql',
  rows: Object.entries(settings).map(([key, value]): SqlSettingRow => ({
    key,
    value,
    region: null,
    node: null,
  })),
});

/** TOML of keys and values, those that are absent left out. */
function tomlOf(settings: Readonly<Record<string, unknown>>): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
    .join('');
}

const port = fc.constantFrom(1, 2, 3, 4).map((last) => `127.0.0.1:700${last}`);

const goodFile = fc
  .record(
    {
      region: fc.constantFrom('sa', 'eu'),
      listen_addr: port,
      'metrics.enabled': fc.boolean(),
      'metrics.listen_addr': port,
      'admin.enabled': fc.boolean(),
      'admin.listen_addr': port,
      'geoip.path': fc.constantFrom('/one.mmdb', '/other.mmdb'),
      log_level: fc.constantFrom('warn', 'debug'),
      shutdown_timeout_secs: fc.integer({ min: 1, max: 3 }),
      'health_check.enabled': fc.boolean(),
      'config_watch.interval_secs': fc.integer({ min: 1, max: 3 }),
      'rate_limit.exempt': fc.constantFrom([], ['10.0.0.0/8']),
    },
    { requiredKeys: [] },
  )
  .map(tomlOf)
  .filter((content) => content !== '' && isGood(fileOf(content)))
  .map(fileOf);
const goodRows = fc
  .record(
    {
      'rate_limit.burst': fc.integer({ min: 6, max: 9 }),
      'health_check.interval_secs': fc.integer({ min: 1, max: 9 }),
      'proxy_protocol.send': fc.constantFrom('off', 'v2'),
      panic_threshold_percent: fc.integer({ min: 0, max: 3 }),
      heartbeat_ttl_secs: fc.integer({ min: 5, max: 7 }),
      threads: fc.integer({ min: 0, max: 3 }),
    },
    { requiredKeys: [] },
  )
  .map(rowsOf);
const badFile = fc.constantFrom(...BAD_FILES).map(({ content }) => fileOf(content));
const badRows = fc.constantFrom({ nonsense: 1 }, { 'rate_limit.burst': 'x' }).map(rowsOf);

/** An input, and who cannot take over what it changes. */
const step = fc.record({
  input: fc.oneof(goodFile, goodRows, badFile, badRows),
  refusing: fc.oneof(
    { weight: 3, arbitrary: fc.constant<readonly Taker[]>([]) },
    { weight: 1, arbitrary: fc.subarray([...FALLIBLE]) },
  ),
});

describe('any sequence of good and bad configurations', () => {
  it('ends in the last good one in everybody who goes by it, but for what needs a restart or was refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const start = startConfiguration(
          NO_ENV,
          { file: { path: 'edge.toml', content: '' }, rows: [] },
          SCOPE.node,
        );
        const views = new Map<Taker, Settings>();
        const viewOf = (taker: Taker): Settings => views.get(taker) ?? start.inForce;
        let refusing: readonly Taker[] = [];
        const takers = new Proxy({} as SettingsTakers, {
          get: (_, name: Taker) => (settings: Settings) => {
            if (refusing.includes(name)) throw new Error(`${name} cannot`);
            views.set(name, settings);
          },
        });
        const told: ConfigStep[] = [];
        const good: { file: ConfigInput | undefined; sql: ConfigInput | undefined } = {
          file: undefined,
          sql: undefined,
        };
        const inputs$ = from(steps.map(({ input }) => input));
        await firstValueFrom(
          configChanges$({
            start,
            inputs$,
            async apply(change) {
              refusing = steps[told.length]!.refusing;
              return (await applySettings(change, takers)).settings;
            },
            onStep: (one) => told.push(one),
          }).pipe(toArray()),
        );
        for (const { input } of steps) if (isGood(input)) good[input.source] = input;
        const after = told.at(-1)?.after ?? start;
        for (const taker of Object.keys(KEYS_OF) as Taker[]) {
          for (const key of KEYS_OF[taker])
            expect([taker, key, valueOf(viewOf(taker), key)]).toEqual([
              taker,
              key,
              valueOf(after.inForce, key),
            ]);
        }
        const file = good.file?.source === 'file' ? good.file.file : undefined;
        const rows = good.sql?.source === 'sql' ? good.sql.rows : [];
        const { settings } = loadSettings(NO_ENV, file, readSqlSettings(rows, SCOPE));
        expect(after.wanted.settings).toEqual(settings);
        const fallible = new Set<string>(FALLIBLE.flatMap((taker) => [...KEYS_OF[taker]]));
        for (const key of RELOADABLE_KEYS)
          if (!fallible.has(key))
            expect([key, valueOf(after.inForce, key)]).toEqual([key, valueOf(settings, key)]);
        expect(new Set(pendingOf(after).map(({ key }) => key))).toEqual(
          new Set(
            [...RELOADABLE_KEYS, 'region', 'threads'].filter(
              (key) => JSON.stringify(valueOf(after.inForce, key)) !== JSON.stringify(valueOf(settings, key)),
            ),
          ),
        );
      }),
      { numRuns: 150 },
    );
  });
});

function isGood(input: ConfigInput): boolean {
  try {
    if (input.source === 'file') loadSettings(NO_ENV, input.file);
    else readSqlSettings(input.rows, SCOPE);
    return true;
  } catch {
    return false;
  }
}
