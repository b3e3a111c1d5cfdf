import { lastValueFrom, Subject, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { type ConfigInput, startConfiguration } from '../../src/config/configuration.ts';
import type { ConfigChange } from '../../src/config/diff.ts';
import type { Settings } from '../../src/config/schema.ts';
import { configChanges$, type ConfigStep } from '../../src/streams/config-changes.ts';

const fileOf = (content: string): ConfigInput => ({ source: 'file', file: { path: 'edge.toml', content } });
const attempts = (count: number): ConfigInput => fileOf(`connect_attempts = ${count}\n`);

/** What comes of inputs that all come at once. */
async function changesOf(
  inputs: readonly ConfigInput[],
  apply?: (change: ConfigChange) => Promise<Settings>,
) {
  const inputs$ = new Subject<ConfigInput>();
  const steps: ConfigStep[] = [];
  const start = startConfiguration({}, { file: { path: 'edge.toml', content: '' }, rows: [] }, 'host');
  const all = lastValueFrom(
    configChanges$({ start, inputs$, apply, onStep: (step) => steps.push(step) }).pipe(toArray()),
  );
  for (const input of inputs) inputs$.next(input);
  inputs$.complete();
  return { changes: await all, steps };
}

describe('configChanges$', () => {
  it('tells every change that is valid, and every input to who wants to know', async () => {
    const { changes, steps } = await changesOf([attempts(4), fileOf('x'), attempts(4), attempts(5)]);
    expect(changes.map(({ settings }) => settings.connect_attempts)).toEqual([4, 5]);
    expect(changes.map(({ changes: [change] }) => [change?.old, change?.new])).toEqual([
      [3, 4],
      [4, 5],
    ]);
    expect(steps.map(({ source, outcome }) => `${source} ${outcome.type}`)).toEqual([
      'file CHANGED',
      'file REFUSED',
      'file UNCHANGED',
      'file CHANGED',
    ]);
  });

  it('applies one change after the other, each against what the one before has brought into force', async () => {
    const log: string[] = [];
    const { changes } = await changesOf(
      [attempts(4), attempts(5)],
      async ({ settings, changes: [change] }) => {
        log.push(`${String(change!.old)} to ${settings.connect_attempts}`);
        await Promise.resolve();
        log.push('applied');
        return settings;
      },
    );
    expect(log).toEqual(['3 to 4', 'applied', '4 to 5', 'applied']);
    expect(changes).toHaveLength(2);
  });

  it('takes what could not be applied for not in force, and tries it again', async () => {
    let times = 0;
    const { changes, steps } = await changesOf([attempts(4), attempts(4)], ({ settings }) =>
      Promise.resolve({ ...settings, connect_attempts: times++ === 0 ? 3 : settings.connect_attempts }),
    );
    expect(changes.map(({ settings }) => settings.connect_attempts)).toEqual([3, 4]);
    expect(steps.map(({ after }) => after.inForce.connect_attempts)).toEqual([3, 4]);
  });

  it('goes on after a change that cannot be applied at all', async () => {
    let times = 0;
    const { changes, steps } = await changesOf([attempts(4), attempts(5)], ({ settings }) =>
      times++ === 0 ? Promise.reject(new Error('not now')) : Promise.resolve(settings),
    );
    expect(steps[0]).toMatchObject({ outcome: { type: 'REFUSED', error: { message: 'not now' } } });
    expect(steps[0]!.after.inForce.connect_attempts).toBe(3);
    expect(changes.map(({ changes: [change] }) => [change?.old, change?.new])).toEqual([[3, 5]]);
  });
});
