import { SETTINGS } from './catalogue.ts';
import { type Configuration, pendingOf } from './configuration.ts';
import { valueOf } from './load.ts';
import type { Origin } from './origin.ts';
import { MASK } from './shown-value.ts';

/** A setting of a running daemon, as data. */
export interface DescribedSetting {
  readonly key: string;
  /** The value in force; `null` for none, `***` for a secret. */
  readonly value: unknown;
  readonly unit?: string;
  /** Takes effect in a running daemon. */
  readonly reload: boolean;
  readonly origin: Origin;
}

/** A value that is wanted and not in force. */
export interface PendingSetting {
  readonly key: string;
  readonly value: unknown;
  readonly wanted: unknown;
  /** `restart`: it takes effect at the next start only. `refused`: it could not be brought into force. */
  readonly reason: 'restart' | 'refused';
}

export interface DescribedConfiguration {
  readonly region: string;
  readonly node: string;
  readonly settings: readonly DescribedSetting[];
  readonly pending: readonly PendingSetting[];
}

/** What a daemon goes by, where each value comes from, and what is wanted and not in force. Secrets are masked. */
export function describeConfiguration(configuration: Configuration): DescribedConfiguration {
  const { inForce, origins, scope } = configuration;
  return {
    ...scope,
    settings: SETTINGS.map(({ key, unit, reload, secret }) => ({
      key,
      value: masked(valueOf(inForce, key), secret),
      ...(unit === undefined ? {} : { unit }),
      reload,
      origin: origins.get(key) ?? { from: 'default' },
    })),
    pending: pendingOf(configuration).map(({ key, old, new: wanted, reload, secret }) => ({
      key,
      value: masked(old, secret),
      wanted: masked(wanted, secret),
      reason: reload ? 'refused' : 'restart',
    })),
  };
}

function masked(value: unknown, secret: boolean | undefined): unknown {
  if (value === undefined) return null;
  return secret === true ? MASK : value;
}
