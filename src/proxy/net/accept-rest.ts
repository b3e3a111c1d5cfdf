import { setImmediate as turn } from 'node:timers/promises';
import { BACKLOG } from './listen-on.ts';

/** Turns of the event loop without a client after which none is left. */
const QUIET_TURNS = 3;

/**
 * Resolves when everybody has been accepted who had come to a listener: a turn of the event loop accepts one client.
 *
 * @param received how many have been so far
 */
export async function acceptRest(received: () => number): Promise<void> {
  let quietTurns = 0;
  for (let turns = 0; quietTurns < QUIET_TURNS && turns < BACKLOG; turns++) {
    const before = received();
    // oxlint-disable-next-line no-await-in-loop -- turns follow each other
    await turn();
    quietTurns = received() === before ? quietTurns + 1 : 0;
  }
}
