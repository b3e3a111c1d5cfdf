import { of, lastValueFrom, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { ConfigLog } from '../../src/composition/config-log.ts';
import { startConfiguration } from '../../src/config/configuration.ts';
import { configChanges$ } from '../../src/streams/config-changes.ts';

interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: object;
}

/** What is logged and counted of a file that takes on these contents, one after the other. */
async function told(...contents: readonly string[]) {
  const lines: Line[] = [];
  const results: string[] = [];
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, fields });
  const logger = { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
  const log = new ConfigLog(logger, { configReloaded: (result) => void results.push(result) });
  const start = startConfiguration({}, { file: { path: 'edge.toml', content: '' }, rows: [] }, 'host');
  const inputs$ = of(
    ...contents.map((content) => ({ source: 'file', file: { path: 'edge.toml', content } }) as const),
  );
  await lastValueFrom(configChanges$({ start, inputs$, onStep: (step) => log.step(step) }).pipe(toArray()));
  return { lines, results };
}

describe('ConfigLog', () => {
  it('says what has changed, shows short tables, counts long ones, and shows no secret', async () => {
    const token = 'hush-hush-hush-hush-hush';
    const countries = ['BR', 'AR', 'CL', 'US', 'DE', 'FR', 'JP', 'CN', 'IN', 'GB', 'ES', 'IT'];
    const manyCountries = countries.map((country) => `${country} = "sa"\n`).join('');
    const { lines, results } = await told(
      `log_level = "warn"\n[admin]\nenabled = true\ntoken = "${token}"\n[geoip.cidrs]\n"10.0.0.0/8" = "BR"\n[geoip.regions]\n${manyCountries}`,
    );
    expect(lines).toEqual([
      {
        level: 'info',
        message: 'configuration changed',
        fields: {
          source: 'file',
          changes: expect.arrayContaining([{ key: 'log_level', old: 'info', new: 'warn' }]),
        },
      },
      {
        level: 'warn',
        message: 'settings that need a restart to take effect',
        fields: {
          settings: expect.arrayContaining([{ key: 'admin.token', old: '(none)', new: '***' }]),
        },
      },
    ]);
    expect(lines[0]!.fields).toMatchObject({
      changes: expect.arrayContaining([
        { key: 'geoip.cidrs', old: '(0 entries)', new: '{"10.0.0.0/8":"BR"}' },
        { key: 'geoip.regions', old: expect.any(String), new: '(12 entries)' },
      ]),
    });
    expect(JSON.stringify(lines)).not.toContain(token);
    expect(results).toEqual(['applied']);
  });

  it('names what needs a restart again only when that has changed', async () => {
    const { lines } = await told(
      'region = "eu"\n',
      'region = "eu"\nconnect_attempts = 4\n',
      'region = "us"\n',
      'connect_attempts = 5\n',
      'region = "us"\n',
    );
    expect(lines.filter(({ level }) => level === 'info').map(({ fields }) => fields)).toMatchObject([
      { changes: [{ new: '4' }] },
      { changes: [{ new: '3' }] },
      { changes: [{ new: '5' }] },
      { changes: [{ new: '3' }] },
    ]);
    expect(lines.filter(({ level }) => level === 'warn').map(({ fields }) => fields)).toMatchObject([
      { settings: [{ new: 'eu' }] },
      { settings: [{ new: 'us' }] },
      { settings: [{ new: 'us' }] },
    ]);
  });

  it('says no change where what was pending is not wanted any more', async () => {
    const { lines } = await told('region = "eu"\n', 'log_level = "info"\n');
    expect(lines.map(({ message }) => message)).toEqual([
      'settings that need a restart to take effect',
      'configuration read, nothing has changed',
    ]);
  });

  it('has a line for every bad one with all that is wrong, and counts each', async () => {
    const { lines, results } = await told('x = 1\nregion = 2\n', '# same\n', 'x = 1\n');
    expect(results).toEqual(['refused', 'unchanged', 'refused']);
    const [first] = lines;
    expect(first).toMatchObject({
      level: 'error',
      message: 'configuration refused, the last good one stays',
    });
    expect((first!.fields as { readonly problems: readonly string[] }).problems).toHaveLength(2);
  });
});
