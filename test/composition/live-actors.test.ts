import { describe, expect, it, onTestFinished } from 'vitest';
import { liveActors } from '../../src/composition/live-actors.ts';
import { aBackend } from '../support/backends.ts';
import { aFleet, settle } from '../support/fleet.ts';

async function aFleetOf(count: number, options: Parameters<typeof aFleet>[0] = {}) {
  const parts = aFleet(options);
  onTestFinished(() => parts.fleet.stop());
  const rows = Array.from({ length: count }, (_, index) =>
    aBackend({ id: `b${index}`, port: 1_000 + index }),
  );
  parts.fleet.update(rows);
  await settle();
  const actors = liveActors({}, parts.fleet);
  const names = () => [...actors].map(([name]) => name);
  /** Whether somebody who walks now may find something else than the one who walked before. */
  let walked = actors.version;
  const isNews = (): boolean => {
    const before = walked;
    names();
    walked = actors.version;
    return before !== walked;
  };
  const advance = (ms: number) => parts.advance(ms);
  return { fleet: parts.fleet, sick: parts.sick, advance, rows, names, isNews };
}

describe('the live actors', () => {
  it('are told to be others than before when one came, went or changed its name, and only then', async () => {
    const { fleet, rows, names, isNews, advance } = await aFleetOf(2);
    isNews();
    expect(isNews()).toBe(false);
    fleet.update(rows.map((row) => ({ ...row, weight: 7 })));
    await settle();
    expect(isNews()).toBe(false);
    fleet.update([...rows, aBackend({ id: 'late', port: 2_000 })]);
    expect(isNews()).toBe(true);
    expect(names()).toEqual(expect.arrayContaining(['backend:late', 'breaker:late', 'checker:late']));
    fleet.update(rows);
    expect(isNews()).toBe(true);
    expect(names()).toContain('breaker:late@127.0.0.1:2000');
    fleet.update([...rows, aBackend({ id: 'late', port: 2_000 })]);
    expect(isNews()).toBe(true);
    expect(names()).toContain('checker:late');
    fleet.update(rows);
    expect(isNews()).toBe(true);
    await advance(40_000);
    expect(isNews()).toBe(true);
    expect(names().filter((name) => name.includes('late'))).toEqual([]);
    expect(isNews()).toBe(false);
  });

  it('of a large fleet are others when a life begins, which it does not because somebody looks', async () => {
    const { names, isNews, sick, advance } = await aFleetOf(101, { appliesLate: true });
    expect(names().filter((name) => name.startsWith('backend:'))).toEqual([]);
    expect(isNews()).toBe(false);
    sick.add(1_007);
    await advance(5_000);
    expect(isNews()).toBe(true);
    expect(names().filter((name) => name.startsWith('backend:'))).toEqual(['backend:b7']);
    expect(isNews()).toBe(false);
  });
});
