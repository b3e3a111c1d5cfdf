import { fileURLToPath } from 'node:url';
import { loadAddon } from './addon.ts';
import { loadFfi } from './ffi.ts';
import type { Sys } from './sys.ts';

/** How system calls are made: by the compiled addon, or by `node:ffi`, which needs no compiler but a newer Node. */
export const SYS_WAYS = ['addon', 'ffi'] as const;

export type SysWay = (typeof SYS_WAYS)[number];

export interface FoundSys {
  readonly way: SysWay;
  readonly sys: Sys;
}

/** Where the addon is after `npm install` has compiled it, then where the published package has one. */
const ADDONS = [`build/sys.node`, `prebuilt/linux-${process.arch}/sys.node`].map((path) =>
  fileURLToPath(new URL(`../../../native/${path}`, import.meta.url)),
);

/** Opens one way to the kernel; rejects with why there is none. */
export function loadSys(way: SysWay): Promise<Sys> {
  return way === 'addon' ? loadFirstAddon() : loadFfi();
}

async function loadFirstAddon(): Promise<Sys> {
  const failures: unknown[] = [];
  for (const path of ADDONS) {
    try {
      return loadAddon(path);
    } catch (error) {
      failures.push(error);
    }
  }
  throw new AggregateError(failures, `no addon: ${failures.map((failure) => messageOf(failure)).join('; ')}`);
}

/**
 * Opens the first of these ways that works here, or tells for each why it does not.
 *
 * Only Linux on x86-64 and arm64 has any: the numbers of `constants.ts` are theirs.
 */
export async function findSys(
  ways: readonly SysWay[],
): Promise<FoundSys | { readonly reasons: readonly string[] }> {
  if (process.platform !== 'linux' || !['x64', 'arm64'].includes(process.arch))
    return { reasons: [`${process.platform} on ${process.arch} is neither Linux on x64 nor on arm64`] };
  const reasons: string[] = [];
  for (const way of ways) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- the next way is only of interest when this one has failed
      const sys = await loadSys(way);
      const epoll = sys.epollCreate();
      if (epoll < 0) throw new Error(`epoll_create1 failed with ${epoll}`);
      sys.close(epoll);
      return { way, sys };
    } catch (error) {
      reasons.push(`${way}: ${messageOf(error)}`);
    }
  }
  return { reasons };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.split('\n', 1)[0]! : String(error);
}
