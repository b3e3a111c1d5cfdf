import { setTimeout as delay } from 'node:timers/promises';

const STEPS = 10;

/** Ends all of these, evenly over a time; resolves when that is over. */
export async function abortAll(
  victims: readonly { readonly abort: () => void }[],
  spreadMs: number,
): Promise<void> {
  const ended = victims.map(async (victim, index) => {
    const step = Math.floor((index * STEPS) / victims.length);
    if (step > 0) await delay((spreadMs * step) / STEPS);
    victim.abort();
  });
  await Promise.all(ended);
}
