import { createGeoResolver } from '../adapters/geo/geo-resolver.ts';
import { databaseLabel } from '../adapters/postgres/database-url.ts';
import { readRowsOnce } from '../composition/start-rows.ts';
import { settingsJsonSchema } from '../config/catalogue.ts';
import { type Configuration, startConfiguration } from '../config/configuration.ts';
import type { Environment } from '../config/environment.ts';
import { renderSettings } from '../config/render.ts';
import type { SqlSettingRow } from '../config/sql-settings.ts';
import { messageOf } from '../errors.ts';
import { readConfiguration } from './settings.ts';

export interface CheckOptions {
  readonly config: string | undefined;
  readonly schema: boolean;
}

/** Validates the settings and returns them as a table with the origin of each value, or the JSON Schema. */
export async function check({ config, schema }: CheckOptions, env: Environment): Promise<string> {
  if (schema) return JSON.stringify(settingsJsonSchema(), undefined, 2);
  const base = await readConfiguration(env, config);
  const { configuration, notes } = await withRows(base);
  const loaded = configuration.wanted;
  const { cidrs, regions, path } = loaded.settings.geoip;
  await createGeoResolver({ cidrs, regions, geoipPath: path });
  const { url } = loaded.settings.postgres;
  if (url !== undefined) databaseLabel(url);
  return [renderSettings(loaded), ...notes].join('\n');
}

/** The configuration with the settings in SQL, or a note on why it is without them. */
async function withRows(
  base: Configuration,
): Promise<{ readonly configuration: Configuration; readonly notes: readonly string[] }> {
  if (!base.inForce.postgres.enabled) return { configuration: base, notes: [] };
  let rows: readonly SqlSettingRow[] | undefined;
  try {
    rows = await readRowsOnce(base);
  } catch (error) {
    return { configuration: base, notes: [`note: without the settings in SQL: ${messageOf(error)}`] };
  }
  const sources = { file: base.good.file, rows: rows ?? [] };
  return { configuration: startConfiguration(base.env, sources, base.scope.node), notes: [] };
}
