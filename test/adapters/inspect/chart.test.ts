import { describe, expect, it } from 'vitest';
import { assign, setup } from 'xstate';
import { layOutChart, type ChartLayout } from '../../../src/adapters/inspect/chart-layout.ts';
import { type ChartState, chartOf } from '../../../src/adapters/inspect/chart.ts';
import type { Box } from '../../../src/adapters/inspect/layered.ts';
import { circuitBreakerMachine } from '../../../src/machines/circuit-breaker.ts';
import { lifecycleMachine } from '../../../src/machines/lifecycle.ts';
import { MACHINES } from '../../../src/machines/registry.ts';

const flat = (state: ChartState): readonly ChartState[] => [state, ...state.children.flatMap(flat)];

const overlap = (a: Box, b: Box): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

/** Boxes that must not cover each other: the states of one parent, and all labels beside the states without children. */
function covered({ states, transitions }: ChartLayout): readonly string[] {
  const leaves = states.filter(({ id }) => states.every(({ parent }) => parent !== id));
  const pairs: [string, Box, string, Box][] = [];
  for (const [index, a] of states.entries()) {
    for (const b of states.slice(index + 1)) if (a.parent === b.parent) pairs.push([a.id, a, b.id, b]);
  }
  for (const [index, a] of transitions.entries()) {
    const name = `${a.source}>${a.target}`;
    for (const b of transitions.slice(index + 1)) pairs.push([name, a, `${b.source}>${b.target}`, b]);
    for (const b of leaves) pairs.push([name, a, b.id, b]);
  }
  return pairs.filter(([, a, , b]) => overlap(a, b)).map(([a, , b]) => `${a} covers ${b}`);
}

const everything = setup({
  types: { events: {} as { readonly type: 'GO' } | { readonly type: 'BACK' } },
  guards: { isReady: () => true },
  delays: { later: 10 },
}).createMachine({
  id: 'everything',
  initial: 'first',
  on: { BACK: '.first' },
  states: {
    first: {
      initial: 'inner',
      states: { inner: { on: { GO: { target: '#everything.last', guard: 'isReady' } } } },
      always: { guard: () => false, target: 'second' },
    },
    second: { after: { later: 'last', 2_000: 'first' }, on: { GO: { actions: assign({}) }, '*': 'last' } },
    last: { type: 'final' },
  },
});

describe('the chart of a machine', () => {
  it('names every state, transition and guard as a person does', () => {
    const { root, edges } = chartOf(everything);
    expect(flat(root).map(({ id, type, isInitial }) => [id, type, isInitial])).toEqual([
      ['everything', 'compound', false],
      ['everything.first', 'compound', true],
      ['everything.first.inner', 'atomic', true],
      ['everything.second', 'atomic', false],
      ['everything.last', 'final', false],
    ]);
    const texts = edges.map(({ source, target, triggers }) => [
      `${source} > ${target}`,
      ...triggers.map(({ label, guard }) => (guard === undefined ? label : `${label} [${guard}]`)),
    ]);
    expect(texts).toEqual([
      ['everything.first > everything.second', 'always [guard]'],
      ['everything.first.inner > everything.last', 'GO [isReady]'],
      ['everything.second > everything.last', 'any event', 'after later'],
      ['everything.second > everything.first', 'after 2000 ms'],
    ]);
    expect(root.rows).toEqual(['BACK → first']);
    expect(root.children[1]!.rows).toEqual(['GO / assign']);
  });

  it.each(MACHINES)(
    'of $name has a place for everything, and nothing covers anything else',
    ({ machine }) => {
      const chart = chartOf(machine);
      const layout = layOutChart(chart);
      expect(layout.states.map(({ id }) => id).toSorted()).toEqual(
        flat(chart.root)
          .map(({ id }) => id)
          .toSorted(),
      );
      expect(layout.transitions).toHaveLength(chart.edges.length);
      expect(covered(layout)).toEqual([]);
      for (const state of layout.states) {
        const parent = layout.states.find(({ id }) => id === state.parent) ?? { ...layout, x: 0, y: 0 };
        expect(state.x).toBeGreaterThanOrEqual(parent.x);
        expect(state.y).toBeGreaterThanOrEqual(parent.y);
        expect(state.x + state.width).toBeLessThanOrEqual(parent.x + parent.width + 0.2);
        expect(state.y + state.height).toBeLessThanOrEqual(parent.y + parent.height + 0.2);
      }
      const paths = layout.transitions.flatMap((transition) => transition.paths);
      expect(paths.every((path) => /^M[\d. -]+(?:[CL][\d. -]+)+$/.test(path))).toBe(true);
    },
  );

  it('begins at the top with the initial state', () => {
    const { states } = layOutChart(chartOf(circuitBreakerMachine));
    const tops = states
      .filter(({ parent }) => parent === 'circuitBreaker')
      .map(({ key, y }) => [y, key] as const);
    expect(tops.toSorted(([a], [b]) => a - b)[0]![1]).toBe('closed');
  });

  it('is the same for the same machine', () => {
    expect(layOutChart(chartOf(lifecycleMachine))).toEqual(
      layOutChart(chartOf(lifecycleMachine.provide({}))),
    );
  });
});
