/**
 * What one pick costs: choose, count up, count down again, as every connection does.
 *
 * Prints nanoseconds per pick and the ratio to 100 backends, all in one tier and with the others in other tiers.
 * Fails when a pick among 10,000 backends takes 2 microseconds or more.
 */
import type { Backend } from '../../src/domain/backend.ts';
import { BackendPicker, candidatesOf, loadScore } from '../../src/domain/load-balancing.ts';
import { aBackend } from '../support/backends.ts';
import { quantileOf, table } from './report.ts';

const PICKS = 200_000;
const ROUNDS = 7;
const LIMIT_NS = 2_000;
const CLIENT = { country: 'BR', region: 'sa' };

/** `near` backends in the client's country, the others spread over 50 countries of other regions. */
function backends(near: number, far: number): readonly Backend[] {
  return Array.from({ length: near + far }, (_, index) =>
    index < near
      ? aBackend({ id: `near-${index}`, weight: 1 + (index % 3), hardLimit: 0 })
      : aBackend({ id: `far-${index}`, country: `C${index % 50}`, region: `r${index % 5}`, hardLimit: 0 }),
  );
}

function nanosecondsPerPick(all: readonly Backend[]): number {
  const active = new Int32Array(all.length);
  const picker = new BackendPicker(candidatesOf(all), 'sa', () => 0);
  const change = (index: number, by: 1 | -1): void => {
    active[index]! += by;
    picker.setScore(index, loadScore(active[index]!, all[index]!));
  };
  const held = new Int32Array(1_024).fill(-1);
  const startedMs = performance.now();
  for (let pick = 0; pick < PICKS; pick++) {
    const index = picker.pick(CLIENT, [], (pick * 0.618_034) % 1);
    change(index, 1);
    const place = pick % held.length;
    const oldest = held[place]!;
    if (oldest >= 0) change(oldest, -1);
    held[place] = index;
  }
  return ((performance.now() - startedMs) / PICKS) * 1e6;
}

const cases = [
  ['100 in the tier', backends(100, 0)],
  ['1,000 in the tier', backends(1_000, 0)],
  ['10,000 in the tier', backends(10_000, 0)],
  ['100 in the tier, 9,900 elsewhere', backends(100, 9_900)],
] as const;
const rounds = Array.from({ length: ROUNDS }, () => cases.map(([, all]) => nanosecondsPerPick(all)));
const medians = cases.map((_, index) =>
  quantileOf(
    rounds.map((round) => round[index]!),
    0.5,
  ),
);

process.stdout.write(
  `${table([
    ['backends', 'ns per pick', 'ratio'],
    ...cases.map(([name], index) => [
      name,
      medians[index]!.toFixed(0),
      (medians[index]! / medians[0]!).toFixed(2),
    ]),
  ])}\n`,
);
const worst = Math.max(...medians);
if (worst >= LIMIT_NS) {
  process.stderr.write(`a pick takes ${worst.toFixed(0)} ns, the limit is ${LIMIT_NS} ns\n`);
  process.exitCode = 1;
}
