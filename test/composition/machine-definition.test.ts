import { describe, expect, it } from 'vitest';
import { assign, createMachine, not, setup } from 'xstate';
import { chartOf } from '../../src/adapters/charts/chart.ts';
import { machineJsonOf } from '../../src/adapters/charts/studio-json.ts';
import { sanitize } from '../../src/adapters/inspect/sanitize.ts';
import { MACHINES } from '../../src/machines/registry.ts';

describe('the definition of a machine for the Stately inspector', () => {
  it('keeps structure and names, and turns functions into their names', () => {
    const machine = setup({
      types: { events: {} as { readonly type: 'GO'; readonly token: string } },
      actions: { shout: () => {} },
      guards: { isReady: () => true },
    }).createMachine({
      id: 'one',
      description: 'see postgres://user:hunter2@db',
      context: { password: 'hunter2', apiToken: 'hunter2' },
      initial: 'token',
      states: {
        token: {
          entry: ['shout', assign({})],
          meta: { secret: 'hunter2', note: 'kept' },
          on: { GO: { target: 'end', guard: not('isReady'), actions: { type: 'shout' } } },
          after: { 50: 'end' },
        },
        end: { type: 'final' },
      },
    });
    const definition = machineJsonOf(machine, sanitize);
    expect(definition).toEqual({
      id: 'one',
      description: 'see postgres://***@db',
      initial: 'token',
      states: {
        token: {
          entry: ['shout', 'assign'],
          meta: { secret: '***', note: 'kept' },
          on: { GO: [{ target: 'end', guard: 'not', actions: ['shout'] }] },
          after: { 50: [{ target: 'end' }] },
        },
        end: { type: 'final' },
      },
    });
    expect(JSON.stringify(definition)).not.toContain('hunter2');
  });

  it.each(MACHINES)('of $name is a machine again that has the same transitions', ({ machine }) => {
    const copy = createMachine(JSON.parse(JSON.stringify(machineJsonOf(machine, sanitize))));
    const ways = (one: typeof machine) =>
      chartOf(one).transitions.map(({ from, event, to }) => [from, event, to]);
    expect(ways(copy)).toEqual(ways(machine));
    expect(copy.events).toEqual(machine.events);
  });
});
