import { isDeepStrictEqual } from 'node:util';
import { openGeoSource } from '../adapters/geo/geo-resolver.ts';
import type { ConfigChange } from '../config/diff.ts';
import { listenersOf } from '../config/listeners.ts';
import type { Hindrances } from '../config/plan.ts';
import type { Settings } from '../config/schema.ts';
import { covers, overlap } from '../domain/listen-address.ts';
import { listenError } from '../domain/listen-error.ts';
import type { ListenAddress } from '../domain/ports.ts';
import { claimAddress } from '../proxy/net/claim-address.ts';
import { applySettings, type SettingsTakers } from './apply-settings.ts';
import { geoOptionsOf } from './engine-settings.ts';
import { adminTokens, metricsTokens, nobody } from './listener-tokens.ts';

/** What to do where nothing can be tried. */
type OnDoubt = (reason: string) => void;

/**
 * What would come in the way of a change, by the key of the setting; nothing of it is done.
 *
 * New addresses are bound alone and left at once, which cannot succeed where anybody listens, this daemon or another
 * process: no client of theirs is touched. Files are read.
 *
 * @param running what is in force
 * @param isAccepting whether the daemon still accepts clients
 */
export async function trySettings(
  running: Settings,
  change: ConfigChange,
  isAccepting: boolean,
): Promise<Hindrances> {
  let hasDoubts = false;
  const best = await applySettings(
    change,
    trialTakers(running, isAccepting, () => (hasDoubts = true)),
  );
  // What would be refused only if every doubt were justified is what is not known.
  const worst = hasDoubts ? await applySettings(change, trialTakers(running, isAccepting, refuse)) : best;
  const isRefused = new Set(best.refused.map(({ key }) => key));
  return new Map(
    worst.refused.map(({ key, reason }) => [
      key,
      { takesEffect: isRefused.has(key) ? 'refused' : 'not known', reason },
    ]),
  );
}

function refuse(reason: string): never {
  throw new Error(reason);
}

/** Those of the takers that may refuse something. */
function trialTakers(running: Settings, isAccepting: boolean, onDoubt: OnDoubt): Partial<SettingsTakers> {
  const held = listenersOf(running);

  async function tryListeners(next: Settings, isTheirs: (key: string) => boolean): Promise<void> {
    for (const [key, address] of listenersOf(next))
      // oxlint-disable-next-line no-await-in-loop -- the first that is refused says why
      if (isTheirs(key)) await tryAddress(key, address, [...held.values()], onDoubt);
  }

  return {
    async listeners(next) {
      if (!isAccepting) refuse('the daemon accepts no clients any more');
      await tryListeners(next, (key) => key === 'listen_addr' || key.startsWith('routes['));
    },
    async metricsListener(next) {
      if (next.metrics.enabled) await metricsTokens(next, nobody);
      await tryListeners(next, (key) => key === 'metrics.listen_addr');
    },
    async adminListener(next) {
      if (next.admin.enabled) await adminTokens(next, nobody);
      await tryListeners(next, (key) => key === 'admin.listen_addr');
    },
    geoFile: tryGeography,
    geoTables: tryGeography,
  };
}

async function tryGeography(next: Settings): Promise<void> {
  await openGeoSource(geoOptionsOf(next));
}

/** Fails with `ERR_LISTEN`. @param held where this daemon listens */
async function tryAddress(
  setting: string,
  address: ListenAddress,
  held: readonly ListenAddress[],
  onDoubt: OnDoubt,
): Promise<void> {
  if (held.some((one) => isDeepStrictEqual(one, address))) return;
  const own = held.filter((one) => overlap(one, address));
  if (own.length === 0) {
    await claimAddress(address, setting);
    return;
  }
  await tryHost(setting, address);
  if (!own.some((one) => covers(one, address)))
    onDoubt(`${setting}: this daemon listens at a part of the new address, so that it cannot be tried`);
}

/** Whether the machine has the address, at any port. */
async function tryHost(setting: string, address: ListenAddress): Promise<void> {
  try {
    await claimAddress({ ...address, port: 0 }, setting);
  } catch (error) {
    throw listenError(setting, address, (error as Error).cause as Error);
  }
}
