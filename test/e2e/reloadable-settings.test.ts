import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { RELOADABLE_KEYS } from '../../src/composition/apply-settings.ts';
import { SETTINGS } from '../../src/config/catalogue.ts';
import { ENGINE_UNDER_TEST } from '../support/own-daemon.ts';
import type { SettingCase } from '../support/setting-cases/cases.ts';
import { DAEMON_CASES } from '../support/setting-cases/daemon-cases.ts';
import { ENGINE_CASES } from '../support/setting-cases/engine-cases.ts';
import { FLEET_CASES } from '../support/setting-cases/fleet-cases.ts';
import { ROUTE_CASES } from '../support/setting-cases/route-cases.ts';
import { TLS_CASES } from '../support/setting-cases/tls-cases.ts';

const CASES = { ...DAEMON_CASES, ...FLEET_CASES, ...ENGINE_CASES, ...ROUTE_CASES, ...TLS_CASES };

const RELOADABLE = SETTINGS.filter(({ reload }) => reload).map(({ key }) => key);

describe('a setting that is said to take effect in a running daemon', () => {
  it('has somebody who takes it over, and a test that sees it; no other one has', () => {
    expect([...RELOADABLE_KEYS].toSorted()).toEqual(RELOADABLE.toSorted());
    expect(Object.keys(CASES).toSorted()).toEqual(RELOADABLE.toSorted());
  });

  it.each(Object.entries(CASES))('%s does', seen);
});

describe.runIf(process.platform === 'linux')('a setting that engines go by', () => {
  const cases = { log_level: DAEMON_CASES['log_level']!, ...ENGINE_CASES, ...ROUTE_CASES };

  it.each(Object.entries(cases))('%s takes effect in data threads as well', async (name, see) => {
    vi.stubEnv(ENGINE_UNDER_TEST, 'epoll');
    onTestFinished(() => void vi.unstubAllEnvs());
    await expect(seen(name, see)).resolves.toBeUndefined();
  });
});

/** It fails, or waits until it does, when it does not see what it changes. */
async function seen(_: string, see: SettingCase): Promise<void> {
  await expect(see()).resolves.toBeUndefined();
}
