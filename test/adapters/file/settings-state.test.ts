import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  loadSettingsState,
  saveSettingsState,
  settingsStateFileName,
} from '../../../src/adapters/file/settings-state.ts';
import type { SqlSettingRow } from '../../../src/config/sql-settings.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const ROWS: readonly SqlSettingRow[] = [
  { key: 'rate_limit.burst', value: 5, region: null, node: null },
  { key: 'geoip.cidrs', value: { '10.0.0.0/8': 'BR' }, region: 'sa', node: null },
  { key: 'admin.hosts', value: ['a'], region: null, node: 'edge-1' },
];

describe('the state file of settings', () => {
  it('gives back what was saved, and is readable by its user only', async () => {
    const path = join(await temporaryFolder(), 'new', 'settings.json');
    await saveSettingsState(path, { savedAtMs: 1_700_000_000_000, rows: ROWS });
    expect(await loadSettingsState(path)).toEqual({ savedAtMs: 1_700_000_000_000, rows: ROWS });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('is absent before anything was saved', async () => {
    expect(await loadSettingsState(join(await temporaryFolder(), 'settings.json'))).toBeUndefined();
  });

  it.each([
    ['', 'JSON'],
    ['{"format":"edgeproxy-settings-1"', 'JSON'],
    ['{"format":"edgeproxy-settings-2","savedAtMs":1,"rows":[]}', 'expected the format edgeproxy-settings-1'],
    ['{"format":"edgeproxy-settings-1","savedAtMs":"x","rows":[]}', 'expected a time in milliseconds'],
    ['{"format":"edgeproxy-settings-1","savedAtMs":1,"rows":[{"value":1}]}', 'rows[0].key'],
    ['[]', 'expected object'],
  ])('never passes for no settings when it is damaged: %s', async (content, problem) => {
    const path = join(await temporaryFolder(), 'settings.json');
    await writeFile(path, content);
    const failure: unknown = await loadSettingsState(path).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'ERR_STATE_DIR', message: expect.stringContaining(path) });
    expect(String(failure)).toContain(problem);
  });

  it('says where it cannot be saved', async () => {
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, '');
    await expect(saveSettingsState(join(file, 'x.json'), { savedAtMs: 1, rows: [] })).rejects.toMatchObject({
      code: 'ERR_STATE_DIR',
      message: expect.stringContaining('cannot be saved'),
    });
  });

  it('has another name for another database', () => {
    expect(settingsStateFileName('a')).not.toBe(settingsStateFileName('b'));
    expect(settingsStateFileName('a')).toMatch(/^settings-[0-9a-f]{12}\.json$/);
  });
});
