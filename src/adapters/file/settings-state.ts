import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { SqlSettingRow } from '../../config/sql-settings.ts';
import { EdgeProxyError, messageOf } from '../../errors.ts';
import { readOwnFile } from './read-own-file.ts';
import { writeFileAtomically } from './write-file-atomically.ts';

const FORMAT = 'edgeproxy-settings-1';

const stateSchema = z.object({
  format: z.literal(FORMAT, { error: `expected the format ${FORMAT}` }),
  savedAtMs: z.int({ error: 'expected a time in milliseconds' }),
  rows: z.array(
    z.object({
      key: z.string(),
      value: z.unknown(),
      region: z.string().nullable(),
      node: z.string().nullable(),
    }),
  ),
});

/** The last known rows of the table of settings; `savedAtMs` is Unix time. */
export interface SettingsState {
  readonly savedAtMs: number;
  readonly rows: readonly SqlSettingRow[];
}

/**
 * The name of the file for one source of settings, so that two databases never share one.
 *
 * @param source what tells the source from others, and no secret
 */
export function settingsStateFileName(source: string): string {
  return `settings-${createHash('sha256').update(source).digest('hex').slice(0, 12)}.json`;
}

/**
 * Reads the last known rows; `undefined` when there is no file yet.
 *
 * Rejects with `ERR_STATE_DIR` for a file that cannot be read, is damaged, or was written in another format: it
 * never passes for no settings.
 */
export async function loadSettingsState(path: string): Promise<SettingsState | undefined> {
  try {
    const { savedAtMs, rows } = stateSchema.parse(JSON.parse(await readOwnFile(path)));
    return { savedAtMs, rows };
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined;
    const problem = thrown instanceof z.ZodError ? z.prettifyError(thrown) : messageOf(thrown);
    throw new EdgeProxyError(
      'ERR_STATE_DIR',
      `the state file ${path} cannot be used: ${problem}. Repair it or remove it`,
      { cause: thrown },
    );
  }
}

/**
 * Writes the rows, readable by this user only because one may be a secret, and creates the folder when absent.
 * Rejects with `ERR_STATE_DIR`.
 */
export async function saveSettingsState(path: string, { savedAtMs, rows }: SettingsState): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFileAtomically(path, `${JSON.stringify({ format: FORMAT, savedAtMs, rows })}\n`, 0o600);
  } catch (thrown) {
    throw new EdgeProxyError('ERR_STATE_DIR', `the state cannot be saved to ${path}: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}
