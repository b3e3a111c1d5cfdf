import { expect, it } from 'vitest';
import { SetsInForce } from '../../src/composition/sets-in-force.ts';
import { EMPTY_SET, OPEN_GATE } from '../../src/domain/eligibility.ts';
import { aBackend } from '../support/backends.ts';

it('says once that no backend is eligible, each time that it comes to that', () => {
  const lines: string[] = [];
  const nothing = (): void => {};
  const error = (_: object, message: string): void => void lines.push(message);
  const logger = { error, warn: nothing, info: nothing, debug: nothing };
  const sets = new SetsInForce({ logger, now: () => 0, onInForce: nothing });
  let version = 0;
  const told = (eligible: number, excluded: number): number => {
    version++;
    const backend = aBackend();
    sets.apply(
      {
        ...EMPTY_SET,
        version,
        eligible: Array.from({ length: eligible }, () => ({
          backend,
          header: 'off' as const,
          gate: OPEN_GATE,
        })),
        excluded: Array.from({ length: excluded }, () => ({ backend, reason: 'admin_down' as const })),
      },
      nothing,
    );
    sets.inForce(version);
    return lines.length;
  };
  expect([told(0, 0), told(0, 1), told(0, 2), told(1, 1), told(0, 2), told(0, 1)]).toEqual([
    0, 1, 1, 1, 2, 2,
  ]);
  expect(new Set(lines)).toEqual(new Set(['no backend is eligible, clients are refused']));
});
