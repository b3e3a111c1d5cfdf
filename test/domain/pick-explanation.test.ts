import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EXCLUSION_REASONS } from '../../src/domain/eligibility.ts';
import { BackendPicker, candidatesOf, loadScore } from '../../src/domain/load-balancing.ts';
import { explainPick, type Standing } from '../../src/domain/pick-explanation.ts';
import { aBackend } from '../support/backends.ts';

const COUNTRIES = ['BR', 'AR', 'US', 'DE'];
const REGIONS = ['sa', 'us', 'eu'];

const standings: fc.Arbitrary<readonly Standing[]> = fc
  .array(
    fc.record({
      country: fc.constantFrom(...COUNTRIES),
      region: fc.constantFrom(...REGIONS),
      weight: fc.integer({ min: 0, max: 4 }),
      softLimit: fc.integer({ min: 0, max: 5 }),
      hardLimit: fc.integer({ min: 0, max: 7 }),
      active: fc.integer({ min: 0, max: 8 }),
      isShut: fc.boolean(),
      exclusion: fc.option(fc.constantFrom(...EXCLUSION_REASONS), { nil: undefined, freq: 3 }),
    }),
    { maxLength: 12 },
  )
  .map((rows) =>
    rows.map(({ active, isShut, exclusion, ...fields }, index) => ({
      backend: aBackend({ id: `b${index}`, ...fields }),
      active,
      isShut,
      exclusion,
      isBound: false,
    })),
  );

const client = fc.option(
  fc.record({
    country: fc.constantFrom(...COUNTRIES),
    region: fc.option(fc.constantFrom(...REGIONS), { nil: undefined }),
  }),
  { nil: undefined },
);

/** What the router picks from, with the random number that it draws. */
function picked(all: readonly Standing[], from: Parameters<BackendPicker['pick']>[0], random: number) {
  const rows = all.filter(({ exclusion }) => exclusion === undefined);
  const scoreOf = (index: number): number => {
    const { backend, active, isShut } = rows[index]!;
    return isShut ? Infinity : loadScore(active, backend);
  };
  const picker = new BackendPicker(candidatesOf(rows.map(({ backend }) => backend)), 'sa', scoreOf);
  return rows[picker.pick(from, [], random)]?.backend.id;
}

describe('the explanation of a pick', () => {
  it('gives a share to those that the picker picks, and to no other one', () => {
    fc.assert(
      fc.property(standings, client, (all, from) => {
        const { result, backends } = explainPick(all, { client: from, ownRegion: 'sa' });
        const draws = Array.from({ length: 101 }, (_, index) => picked(all, from, index / 101));
        const shares = backends.filter(({ share }) => share > 0);
        expect(new Set(draws)).toEqual(
          new Set(shares.length === 0 ? [undefined] : shares.map(({ backend }) => backend.id)),
        );
        const total = shares.reduce((sum, { share }) => sum + share, 0);
        if (result === 'picked') expect(total).toBeCloseTo(1);
        else expect(total).toBe(0);
        expect(backends).toHaveLength(all.length);
      }),
      { numRuns: 500 },
    );
  });

  const scene = { client: { country: 'BR', region: 'sa' }, ownRegion: 'sa' };
  const standing = (id: string, fields: object, more: Partial<Standing> = {}): Standing => ({
    backend: aBackend({ id, ...fields }),
    active: 0,
    isShut: false,
    isBound: false,
    exclusion: undefined,
    ...more,
  });

  it('says of each backend why it is not the one', () => {
    const { result, backends } = explainPick(
      [
        standing('far', { region: 'us', country: 'US' }),
        standing('full', { hardLimit: 2 }, { active: 2 }),
        standing('soft', { softLimit: 2 }, { active: 3 }),
        standing('busy', {}, { active: 9 }),
        standing('best', {}, { active: 1 }),
        standing('trial', {}, { isShut: true }),
        standing('out', {}, { exclusion: 'admin_down' }),
      ],
      scene,
    );
    expect(result).toBe('picked');
    expect(backends.map(({ backend: { id }, verdict }) => [id, verdict])).toEqual([
      ['best', 'picked'],
      ['busy', 'more_loaded'],
      ['soft', 'over_soft_limit'],
      ['full', 'full'],
      ['trial', 'no_trial_left'],
      ['far', 'farther'],
      ['out', 'admin_down'],
    ]);
    for (const { why } of backends) expect(why).not.toBe('');
  });

  it('says who the client is bound to, as long as there is room', () => {
    const others = [standing('best', {}), standing('full', { hardLimit: 1 }, { active: 1, isBound: true })];
    expect(explainPick(others, scene)).toMatchObject({
      result: 'picked',
      backends: [{ verdict: 'picked' }, { verdict: 'full' }],
    });
    const bound = standing('bound', { region: 'us', country: 'US' }, { active: 5, isBound: true });
    expect(explainPick([standing('best', {}), bound], scene)).toMatchObject({
      result: 'bound',
      backends: [
        { backend: { id: 'bound' }, verdict: 'bound', share: 1 },
        { verdict: 'not_bound', share: 0 },
      ],
    });
  });

  it('tells full from none', () => {
    const full = standing('full', { hardLimit: 1 }, { active: 1 });
    expect(explainPick([full], scene).result).toBe('all_full');
    expect(explainPick([standing('out', {}, { exclusion: 'deleted' })], scene).result).toBe('no_backend');
    expect(explainPick([], scene)).toEqual({ result: 'no_backend', backends: [] });
  });
});
