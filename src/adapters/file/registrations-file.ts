import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { parseBackendRows, type SkippedRow } from '../../domain/backend.ts';
import type { KeptRegistration } from '../../domain/registry.ts';
import { EdgeProxyError, messageOf } from '../../errors.ts';
import { toRow } from './state-file.ts';
import { readOwnFile } from './read-own-file.ts';
import { writeFileAtomically } from './write-file-atomically.ts';

const FORMAT = 'edgeproxy-registrations-1';

const fileSchema = z.object({
  format: z.literal(FORMAT, { error: `expected the format ${FORMAT}` }),
  registrations: z.array(
    z.object({ registeredAtMs: z.int({ error: 'expected a time in milliseconds' }), row: z.unknown() }),
    { error: 'expected a list of registrations' },
  ),
});

/** What was kept; `skipped` holds rows that this version cannot read. */
export interface LoadedRegistrations {
  readonly registrations: readonly KeptRegistration[];
  readonly skipped: readonly SkippedRow[];
}

/** Where the registrations of a listener are kept, so that two daemons of one state folder do not share them. */
export function registrationsPath(stateDir: string, listenAddress: string): string {
  return join(stateDir, `registrations-${listenAddress.replaceAll(/[^\w.-]/g, '_')}.json`);
}

/**
 * Reads the registrations; `undefined` when there is no file yet.
 *
 * Rejects with `ERR_STATE_DIR` for a file that cannot be read, is damaged, or was written in another format.
 */
export async function loadRegistrations(path: string): Promise<LoadedRegistrations | undefined> {
  const unusable = (problem: string, cause: unknown): EdgeProxyError =>
    new EdgeProxyError(
      'ERR_STATE_DIR',
      `the registrations in ${path} cannot be used: ${problem}. Repair the file or remove it`,
      { cause },
    );
  let text: string;
  try {
    text = await readOwnFile(path);
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined;
    throw unusable(messageOf(thrown), thrown);
  }
  try {
    const { registrations } = fileSchema.parse(JSON.parse(text));
    const parsed = registrations.map(({ registeredAtMs, row }) => ({
      registeredAtMs,
      ...parseBackendRows([row]),
    }));
    return {
      registrations: parsed.flatMap(({ registeredAtMs, backends }) =>
        backends.map((backend) => ({ backend, registeredAtMs })),
      ),
      skipped: parsed.flatMap(({ skipped }) => skipped),
    };
  } catch (thrown) {
    throw unusable(thrown instanceof z.ZodError ? z.prettifyError(thrown) : messageOf(thrown), thrown);
  }
}

/**
 * Writes the registrations, readable by this user only, and creates the folder when absent. The file is replaced as a
 * whole or not at all. Rejects with `ERR_STATE_DIR`.
 */
export async function saveRegistrations(
  path: string,
  registrations: readonly KeptRegistration[],
): Promise<void> {
  const rows = registrations.map(({ backend, registeredAtMs }) => ({ registeredAtMs, row: toRow(backend) }));
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFileAtomically(path, `${JSON.stringify({ format: FORMAT, registrations: rows })}\n`, 0o600);
  } catch (thrown) {
    throw new EdgeProxyError(
      'ERR_STATE_DIR',
      `the registrations cannot be saved to ${path}: ${messageOf(thrown)}`,
      { cause: thrown },
    );
  }
}
