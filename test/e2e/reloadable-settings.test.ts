import { describe, expect, it } from 'vitest';
import { RELOADABLE_KEYS } from '../../src/composition/apply-settings.ts';
import { SETTINGS } from '../../src/config/catalogue.ts';
import { DAEMON_CASES } from '../support/setting-cases/daemon-cases.ts';
import { FLEET_CASES } from '../support/setting-cases/fleet-cases.ts';

const CASES = { ...DAEMON_CASES, ...FLEET_CASES };

const RELOADABLE = SETTINGS.filter(({ reload }) => reload).map(({ key }) => key);

describe('a setting that is said to take effect in a running daemon', () => {
  it('is one that somebody takes over, and of each that is there is a test that sees it', () => {
    expect(RELOADABLE).toEqual(expect.arrayContaining([...RELOADABLE_KEYS]));
    expect(Object.keys(CASES).toSorted()).toEqual([...RELOADABLE_KEYS].toSorted());
  });

  it.each(Object.entries(CASES))('%s does', async (_, see) => {
    expect.hasAssertions();
    await see();
    expect(true).toBe(true);
  });
});
