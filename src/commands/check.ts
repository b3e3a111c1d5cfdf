import { openGeoSource } from '../adapters/geo/geo-resolver.ts';
import { databaseLabel } from '../adapters/postgres/database-url.ts';
import { settingsJsonSchema } from '../config/catalogue.ts';
import type { Environment } from '../config/environment.ts';
import { renderSettings } from '../config/render.ts';
import { readEffective } from './settings.ts';

export interface CheckOptions {
  readonly config: string | undefined;
  readonly schema: boolean;
}

/** Validates the settings and returns them as a table with the origin of each value, or the JSON Schema. */
export async function check({ config, schema }: CheckOptions, env: Environment): Promise<string> {
  if (schema) return JSON.stringify(settingsJsonSchema(), undefined, 2);
  const { configuration, notes } = await readEffective(env, config);
  const loaded = configuration.wanted;
  const { cidrs, regions, path } = loaded.settings.geoip;
  await openGeoSource({ cidrs, regions, geoipPath: path });
  const { url } = loaded.settings.postgres;
  if (url !== undefined) databaseLabel(url);
  return [renderSettings(loaded), ...notes].join('\n');
}
