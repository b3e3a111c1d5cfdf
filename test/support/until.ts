import { setTimeout as delay } from 'node:timers/promises';

const RECHECK_MS = 3;

export interface UntilOptions {
  /** Default 20 seconds. */
  readonly timeoutMs?: number | undefined;
  /** What is awaited, for the message of the failure. */
  readonly what: string;
}

type Unmet = undefined | false;

/** Awaits a condition: the first result of `check` that is neither `undefined` nor `false`. Not on fake timers. */
export async function until<T>(
  check: () => Promise<T | Unmet> | T | Unmet,
  { timeoutMs = 20_000, what }: UntilOptions,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  const attempt = async (): Promise<T> => {
    const result = await check();
    if (isMet<T>(result)) return result;
    if (performance.now() >= deadline) throw new Error(`still waiting after ${timeoutMs} ms for: ${what}`);
    await delay(RECHECK_MS);
    return attempt();
  };
  return attempt();
}

function isMet<T>(result: T | Unmet): result is T {
  return result !== undefined && result !== false;
}
