import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { parseBackendRows, type Backend, type ParsedRows } from '../../domain/backend.ts';
import { EdgeProxyError, messageOf } from '../../errors.ts';
import { readOwnFile } from './read-own-file.ts';
import { writeFileAtomically } from './write-file-atomically.ts';

const FORMAT = 'edgeproxy-state-1';

const stateSchema = z.object({
  format: z.literal(FORMAT, { error: `expected the format ${FORMAT}` }),
  savedAtMs: z.int({ error: 'expected a time in milliseconds' }),
  rows: z.array(z.unknown(), { error: 'expected a list of rows' }),
});

/** The last known backends; `savedAtMs` is Unix time. `skipped` holds rows that this version cannot read. */
export interface LoadedState extends ParsedRows {
  readonly savedAtMs: number;
}

/**
 * The name of the file for one source of backends, so that two databases never share one.
 *
 * @param source what tells the source from others: `databaseLabel(url)`, never a URL with a password
 */
export function stateFileName(source: string): string {
  return `backends-${createHash('sha256').update(source).digest('hex').slice(0, 12)}.json`;
}

function unusable(path: string, problem: string, cause: unknown): EdgeProxyError {
  return new EdgeProxyError(
    'ERR_STATE_DIR',
    `the state file ${path} cannot be used: ${problem}. Repair it or remove it`,
    { cause },
  );
}

/**
 * Reads the last known backends; `undefined` when there is no file yet.
 *
 * Rejects with `ERR_STATE_DIR` for a file that cannot be read, is damaged, or was written in another format: it
 * never passes for an empty set.
 */
export async function loadState(path: string): Promise<LoadedState | undefined> {
  let text: string;
  try {
    text = await readOwnFile(path);
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined;
    throw unusable(path, messageOf(thrown), thrown);
  }
  try {
    const { savedAtMs, rows } = stateSchema.parse(JSON.parse(text));
    return { ...parseBackendRows(rows), savedAtMs };
  } catch (thrown) {
    const problem = thrown instanceof z.ZodError ? z.prettifyError(thrown) : messageOf(thrown);
    throw unusable(path, problem, thrown);
  }
}

/** A backend as the row that it was parsed from. */
export function toRow(backend: Backend): Readonly<Record<string, unknown>> {
  return {
    id: backend.id,
    app: backend.app,
    region: backend.region,
    country: backend.country,
    wg_ip: backend.host,
    port: backend.port,
    healthy: backend.adminUp,
    weight: backend.weight,
    soft_limit: backend.softLimit,
    hard_limit: backend.hardLimit,
    deleted: backend.deleted,
    expired: backend.expired,
    proxy_protocol: backend.proxyProtocol,
    health_check: backend.health && {
      type: backend.health.type,
      path: backend.health.path,
      expected_status: backend.health.expectedStatus,
    },
  };
}

/**
 * Writes the backends, readable by this user only, and creates the folder when absent. The file is replaced as a
 * whole or not at all. Rejects with `ERR_STATE_DIR`.
 *
 * @param savedAtMs Unix time
 */
export async function saveState(
  path: string,
  backends: readonly Backend[],
  savedAtMs: number,
): Promise<void> {
  const content = JSON.stringify({ format: FORMAT, savedAtMs, rows: backends.map(toRow) });
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFileAtomically(path, `${content}\n`, 0o600);
  } catch (thrown) {
    throw new EdgeProxyError('ERR_STATE_DIR', `the state cannot be saved to ${path}: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}
