import { openGeoSource } from '../adapters/geo/geo-resolver.ts';
import { databaseLabel } from '../adapters/postgres/database-url.ts';
import { selfSignedPair } from '../adapters/tls/self-signed.ts';
import { checkTokens } from '../composition/listener-tokens.ts';
import { terminatesTls } from '../composition/proxy-listeners.ts';
import { newTicketKeys } from '../composition/ticket-keys.ts';
import { readIdentity } from '../composition/tls-identity.ts';
import { settingsJsonSchema } from '../config/catalogue.ts';
import type { Environment } from '../config/environment.ts';
import { naming } from '../config/origin.ts';
import { renderSettings } from '../config/render.ts';
import type { Settings } from '../config/schema.ts';
import { readEffective } from './settings.ts';

export interface CheckOptions {
  readonly config: string | undefined;
  readonly schema: boolean;
  /** Characters of a value that are shown; default: all. */
  readonly longest?: number | undefined;
}

/**
 * Validates the settings and the files that they name, and returns the settings as a table with the origin of each
 * value, or the JSON Schema. Fails as a start would that comes to these files.
 */
export async function check({ config, schema, longest }: CheckOptions, env: Environment): Promise<string> {
  if (schema) return JSON.stringify(settingsJsonSchema(), undefined, 2);
  const { configuration, notes } = await readEffective(env, config);
  const loaded = configuration.wanted;
  await naming(loaded.origins, () => openFiles(loaded.settings));
  return [renderSettings(loaded, longest), ...notes].join('\n');
}

/** Reads the files and the URL that a start reads, and fails as it does. */
async function openFiles(settings: Settings): Promise<void> {
  const { cidrs, regions, path } = settings.geoip;
  await openGeoSource({ cidrs, regions, geoipPath: path });
  if (terminatesTls(settings)) {
    const nowMs = Date.now();
    await readIdentity(settings, newTicketKeys(), () => selfSignedPair(nowMs), nowMs);
  }
  await checkTokens(settings);
  const { url } = settings.postgres;
  if (url !== undefined) databaseLabel(url);
}
