import type { QueryResult } from 'pg';
import type { Environment } from '../config/environment.ts';
import { alignColumns } from '../config/render.ts';
import { inSession } from './postgres-session.ts';
import { readSettings } from './settings.ts';

export interface SqlOptions {
  readonly config: string | undefined;
  readonly statement: string;
}

/** Runs SQL in the database of the settings, as one simple query, and returns what it answered as text. */
export async function sql({ config, statement }: SqlOptions, env: Environment): Promise<string> {
  return inSession(await readSettings(env, config), 'edgeproxy sql', async (client) => {
    const results: QueryResult | QueryResult[] = await client.query(statement);
    return [results].flat().map(render).join('\n');
  });
}

/** Rows as an aligned table under their column names, then the command tag as psql prints it. */
function render({ command, rowCount, rows, fields }: QueryResult): string {
  const tag = [command, ...(rowCount === null ? [] : [rowCount])].join(' ');
  if (fields.length === 0) return tag;
  const names = fields.map(({ name }) => name);
  const cells = (rows as Record<string, unknown>[]).map((row) => names.map((name) => cell(row[name])));
  return `${alignColumns([names, ...cells])}\n${tag}`;
}

function cell(value: unknown): string {
  if (value === null) return '';
  if (typeof value === 'string') return value;
  if (value instanceof Date) return value.toISOString();
  return JSON.stringify(value);
}
