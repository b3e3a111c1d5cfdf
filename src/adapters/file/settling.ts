/** How long a state must last before it is believed, in milliseconds. */
export interface Patience {
  /** For content that is whole as far as one can tell. Somebody may be in the middle of writing it. */
  readonly settleMs: number;
  /** For what a writer leaves for a moment: a file that is gone, empty, or not to be understood. */
  readonly holdMs: number;
}

/** Below the 100 ms within which a change shall be in force, above the pauses of a program that writes in pieces. */
export const PATIENCE: Patience = { settleMs: 30, holdMs: 400 };

/** What becomes of a look: nothing, news, or the time until the next look can tell. */
export type Judgement = 'same' | 'settled' | { readonly inMs: number };

/**
 * Tells what a file has come to from what it passes through, by looks at moments that the caller chooses.
 *
 *     told ──another state──► candidate ──still the same after its patience──► settled, told
 *       ▲                       │    └──another state──► candidate anew
 *       └──the state as told────┘
 */
export class Settling {
  readonly #patience: Patience;
  #told: string | undefined;
  #candidate: { readonly state: string; readonly sinceMs: number } | undefined;

  /** @param told the state that is known already */
  constructor(told: string | undefined, patience: Patience = PATIENCE) {
    this.#told = told;
    this.#patience = patience;
  }

  /**
   * @param state what was seen, such as a hash
   * @param isWhole whether it may be what the writer wants
   * @param nowMs monotonic time before the look
   */
  see(state: string, isWhole: boolean, nowMs: number): Judgement {
    if (state === this.#told) {
      this.#candidate = undefined;
      return 'same';
    }
    if (this.#candidate?.state !== state) this.#candidate = { state, sinceMs: nowMs };
    const patienceMs = isWhole ? this.#patience.settleMs : this.#patience.holdMs;
    const inMs = this.#candidate.sinceMs + patienceMs - nowMs;
    if (inMs > 0) return { inMs };
    this.take(state);
    return 'settled';
  }

  /** Takes a state for told, whatever was seen before. */
  take(state: string): void {
    this.#told = state;
    this.#candidate = undefined;
  }
}
