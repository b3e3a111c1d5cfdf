import { describe, expect, it, onTestFinished } from 'vitest';
import { RegistrationSweeper } from '../../src/composition/registration-sweeper.ts';
import type { Registrar, Swept } from '../../src/domain/registration.ts';
import { EdgeProxyError } from '../../src/errors.ts';
import { silentLogger } from '../support/proxy.ts';
import { aRegistrar } from '../support/registration.ts';
import { until } from '../support/until.ts';

const NOTHING: Swept = { expired: [], removed: [] };

/** A sweeper on a clock that passes `stepMs` with every sweep, and what each sweep was told of its watch. */
function aSweeper(sweep: (round: number) => Promise<Swept>, stepMs: (round: number) => number) {
  let nowMs = 0;
  const watched: number[] = [];
  const changes: string[] = [];
  const warnings: object[] = [];
  const registrar: Registrar = {
    ...aRegistrar().registrar,
    sweep(watchedMs) {
      watched.push(watchedMs);
      nowMs += stepMs(watched.length);
      return sweep(watched.length);
    },
  };
  const sweeper = new RegistrationSweeper({
    registrar,
    witness: { changed: (change, id) => void changes.push(`${id} ${change}`), beat: () => {} },
    ttlMs: () => 1,
    logger: { ...silentLogger, warn: (fields) => void warnings.push(fields) },
    now: () => nowMs,
  });
  onTestFinished(() => sweeper.stop());
  sweeper.start();
  return { sweeper, watched, changes, warnings };
}

describe('the sweeper of registrations', () => {
  it('tells for how long it could have heard heartbeats, and begins anew when it could not', async () => {
    const isAway = (round: number): boolean => round === 3 || round === 4;
    const { watched, warnings } = aSweeper(
      (round) =>
        isAway(round)
          ? Promise.reject(new EdgeProxyError('ERR_POSTGRES', 'no session at db:5432/edge'))
          : Promise.resolve(NOTHING),
      () => 100,
    );
    await until(() => watched.length >= 7, { what: 'seven sweeps' });
    expect(watched.slice(0, 7)).toEqual([0, 100, 200, 0, 0, 100, 200]);
    expect(warnings).toEqual([{ error: 'no session at db:5432/edge', times: 1 }]);
  });

  it('begins anew when it was frozen', async () => {
    const { watched } = aSweeper(
      () => Promise.resolve(NOTHING),
      (round) => (round === 2 ? 60_000 : 100),
    );
    await until(() => watched.length >= 4, { what: 'four sweeps' });
    expect(watched.slice(0, 4)).toEqual([0, 100, 0, 100]);
  });

  it('tells what has become of the silent ones', async () => {
    const { changes } = aSweeper(
      (round) => Promise.resolve(round === 1 ? { expired: ['a', 'b'], removed: ['c'] } : NOTHING),
      () => 1,
    );
    await until(() => changes.length > 0, { what: 'changes' });
    expect(changes).toEqual(['a expired', 'b expired', 'c removed']);
  });

  it('ends with the sweep that is under way', async () => {
    const sweep = Promise.withResolvers<Swept>();
    const { sweeper, watched, changes } = aSweeper(
      () => sweep.promise,
      () => 1,
    );
    let isOver = false;
    const stopping = sweeper.stop().then(() => (isOver = true));
    await Promise.resolve();
    expect(isOver).toBe(false);
    sweep.resolve({ expired: ['a'], removed: [] });
    await stopping;
    expect([watched, changes]).toEqual([[0], ['a expired']]);
  });
});
