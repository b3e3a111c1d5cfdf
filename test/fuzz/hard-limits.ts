import { readFile } from 'node:fs/promises';
import type { Backend } from '../../src/domain/backend.ts';

const ESTABLISHED = '01';

/** The remote ends of the connections that the kernel holds for established at a local port, by port. */
async function established(): Promise<ReadonlyMap<number, ReadonlySet<string>>> {
  const byPort = new Map<number, Set<string>>();
  for (const line of (await readFile('/proc/net/tcp', 'latin1')).split('\n')) {
    const [, local, remote, state] = line.trim().split(/\s+/);
    if (state !== ESTABLISHED || local === undefined || remote === undefined) continue;
    const port = Number.parseInt(local.slice(local.indexOf(':') + 1), 16);
    const known = byPort.get(port) ?? new Set();
    byPort.set(port, known.add(remote));
  }
  return byPort;
}

/**
 * Backends that have more connections than they may, as the kernel sees it from their side: theirs are those that the
 * engine has neither ended nor half ended, so they are fewer than the places that it holds.
 *
 * The kernel's list is no moment. Those that are in two lists in a row were all there in between.
 */
export async function exceeded(backends: readonly Backend[]): Promise<readonly string[]> {
  const limited = backends.filter(({ hardLimit }) => hardLimit > 0);
  const before = await established();
  if (limited.every(({ port, hardLimit }) => (before.get(port)?.size ?? 0) <= hardLimit)) return [];
  const after = await established();
  return limited.flatMap(({ id, port, hardLimit }) => {
    const both = [...(before.get(port) ?? [])].filter((remote) => after.get(port)?.has(remote) === true);
    return both.length > hardLimit ? [`${id} has ${both.length} connections, ${hardLimit} are allowed`] : [];
  });
}
