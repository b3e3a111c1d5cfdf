import { describe, expect, it } from 'vitest';
import { applySettings, type SettingsTakers } from '../../src/composition/apply-settings.ts';
import { changeBetween } from '../../src/config/diff.ts';
import { loadSettings } from '../../src/config/load.ts';
import type { Settings } from '../../src/config/schema.ts';

const settingsOf = (content: string): Settings => loadSettings({}, { path: 'edge.toml', content }).settings;

/** Takers that note what they were asked; those named refuse. */
function someTakers(...refusing: readonly (keyof SettingsTakers)[]) {
  const asked: [string, Settings][] = [];
  const takers = new Proxy({} as SettingsTakers, {
    get: (_, name: keyof SettingsTakers) => (settings: Settings) => {
      asked.push([name, settings]);
      return refusing.includes(name) ? Promise.reject(new Error(`${name} cannot`)) : undefined;
    },
  });
  return { takers, asked };
}

describe('a change of settings', () => {
  const old = settingsOf('');

  it('goes to those whom it concerns, once, with all of it', async () => {
    const next = settingsOf(
      'shutdown_timeout_secs = 7\n[circuit_breaker]\ntimeout_secs = 7\nlease_secs = 8\n',
    );
    const { takers, asked } = someTakers();
    expect(await applySettings(changeBetween(old, next), takers)).toEqual({ settings: next, refused: [] });
    expect(asked).toEqual([
      ['lifecycle', next],
      ['fleet', next],
    ]);
  });

  it('is refused key by key: what somebody cannot take over stays as it was, for those after him as well', async () => {
    const next = settingsOf(
      'shutdown_timeout_secs = 1\npanic_threshold_percent = 9\n[health_check]\nmax_in_flight = 7\n',
    );
    const { takers, asked } = someTakers('probes');
    const { settings, refused } = await applySettings(changeBetween(old, next), takers);
    expect(refused).toEqual([{ key: 'health_check.max_in_flight', reason: 'probes cannot' }]);
    expect(settings).toEqual({ ...next, health_check: old.health_check });
    expect(asked.map(([name]) => name)).toEqual(['lifecycle', 'probes', 'engine', 'eligibility']);
    expect(asked.at(-1)?.[1]).toEqual(settings);
    expect(changeBetween(settings, next).changes.map(({ key }) => key)).toEqual([
      'health_check.max_in_flight',
    ]);
  });
});
