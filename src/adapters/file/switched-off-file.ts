import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { EdgeProxyError, messageOf } from '../../errors.ts';
import { readOwnFile } from './read-own-file.ts';
import { writeFileAtomically } from './write-file-atomically.ts';

const FORMAT = 'edgeproxy-switched-off-1';

const fileSchema = z.object({
  format: z.literal(FORMAT, { error: `expected the format ${FORMAT}` }),
  ids: z.array(z.string(), { error: 'expected a list of names' }),
});

/** Where it is kept which backends a daemon has been told to leave out, so that two daemons of one folder do not share it. */
export function switchedOffPath(stateDir: string, listenAddress: string): string {
  return join(stateDir, `switched-off-${listenAddress.replaceAll(/[^\w.-]/g, '_')}.json`);
}

/** Reads the ids; none when there is no file. Rejects with `ERR_STATE_DIR` for one that cannot be used. */
export async function loadSwitchedOff(path: string): Promise<ReadonlySet<string>> {
  const unusable = (problem: string, cause: unknown): EdgeProxyError =>
    new EdgeProxyError(
      'ERR_STATE_DIR',
      `the switched off backends in ${path} cannot be used: ${problem}. Repair the file or remove it`,
      { cause },
    );
  try {
    return new Set(fileSchema.parse(JSON.parse(await readOwnFile(path))).ids);
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return new Set();
    throw unusable(thrown instanceof z.ZodError ? z.prettifyError(thrown) : messageOf(thrown), thrown);
  }
}

/** Writes the ids, readable by this user only; replaced as a whole or not at all. Rejects with `ERR_STATE_DIR`. */
export async function saveSwitchedOff(path: string, ids: ReadonlySet<string>): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await writeFileAtomically(
      path,
      `${JSON.stringify({ format: FORMAT, ids: [...ids].toSorted() })}\n`,
      0o600,
    );
  } catch (thrown) {
    const problem = messageOf(thrown);
    throw new EdgeProxyError(
      'ERR_STATE_DIR',
      `the switched off backends cannot be saved to ${path}: ${problem}`,
      { cause: thrown },
    );
  }
}
