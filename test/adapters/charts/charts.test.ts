import { describe, expect, it } from 'vitest';
import { assign, createMachine, emit } from 'xstate';
import { chartOf, type ChartState } from '../../../src/adapters/charts/chart.ts';
import { dotOf, stateElementId, transitionElementId } from '../../../src/adapters/charts/dot.ts';
import { drawMachine } from '../../../src/adapters/charts/machine-drawing.ts';
import { chartsMarkdown } from '../../../src/adapters/charts/markdown.ts';
import { mermaidOf } from '../../../src/adapters/charts/mermaid.ts';
import { studioJsonOf } from '../../../src/adapters/charts/studio-json.ts';
import { svgOf } from '../../../src/adapters/charts/svg.ts';
import { MACHINES } from '../../../src/machines/registry.ts';

/** A machine with a bit of everything. */
const kettle = createMachine({
  id: 'kettle',
  initial: 'on',
  on: { UNPLUGGED: '.gone', TICK: { actions: 'count' } },
  states: {
    on: {
      type: 'parallel',
      states: {
        water: {
          initial: 'cold',
          states: {
            cold: { entry: assign({ heat: 0 }), after: { boilTime: { target: 'hot', guard: 'isFull' } } },
            hot: { always: { target: '#kettle.gone', guard: 'isDry', actions: [emit({ type: 'BANG' })] } },
          },
        },
        light: {
          initial: 'dark',
          on: { PRESSED: { target: '.lit', reenter: true } },
          states: {
            dark: {},
            lit: {
              invoke: { src: 'glow', onDone: 'dark' },
              on: {
                TICK: {
                  target: 'lit',
                  reenter: true,
                  actions: { type: 'say', params: { what: 'still "lit"' } },
                },
              },
            },
          },
        },
      },
    },
    gone: { type: 'final' },
  },
});

const allStates = (state: ChartState): readonly ChartState[] => [state, ...state.children.flatMap(allStates)];

describe('a chart', () => {
  const { root, transitions } = chartOf(kettle);
  const ways = transitions.map(({ from, to, label: { when, actions } }) =>
    [`${from} > ${to}: ${when}`, ...actions].join(' / '),
  );
  const linesOf = (path: string) => allStates(root).find((state) => state.path === path)?.lines;

  it('has every transition, with event, guard and actions', () => {
    expect(ways).toEqual([
      'on > gone: UNPLUGGED',
      'on.water.cold > on.water.hot: after boilTime [isFull]',
      'on.water.hot > gone: [isDry] / emit BANG',
      'on.light.dark > on.light.lit: PRESSED',
      'on.light.lit > on.light.dark: glow done',
    ]);
  });

  it('has what happens inside a state as its lines', () => {
    expect(linesOf('on')).toEqual(['TICK / count']);
    expect(linesOf('on.water.cold')).toEqual(['entry / assign heat']);
    expect(linesOf('on.light.lit')).toEqual(['invoke glow', '↻ TICK / say(still "lit")', '↻ PRESSED']);
  });

  it('gives a final state no way out', () => {
    expect([linesOf('gone'), ways.filter((way) => way.startsWith('gone'))]).toEqual([[], []]);
  });
});

describe('Mermaid', () => {
  it('draws nested and parallel states, guards, delays and the end', () => {
    expect(mermaidOf(chartOf(kettle)).split('\n')).toEqual([
      'stateDiagram-v2',
      '  [*] --> on',
      '  state "on" as on {',
      '    state "water" as on_water {',
      '      [*] --> on_water_cold',
      '      state "cold" as on_water_cold',
      '      on_water_cold : entry / assign heat',
      '      state "hot" as on_water_hot',
      '      on_water_cold --> on_water_hot : after boilTime [isFull]',
      '    }',
      '    --',
      '    state "light" as on_light {',
      '      [*] --> on_light_dark',
      '      state "dark" as on_light_dark',
      '      state "lit" as on_light_lit',
      '      on_light_lit : invoke glow',
      '      on_light_lit : ↻ TICK / say(still #34;lit#34;)',
      '      on_light_lit : ↻ PRESSED',
      '      on_light_dark --> on_light_lit : PRESSED',
      '      on_light_lit --> on_light_dark : glow done',
      '    }',
      '  }',
      '  note right of on : TICK / count',
      '  state "gone" as gone',
      '  on --> gone : UNPLUGGED',
      '  on_water_hot --> gone : [isDry]',
      '  gone --> [*]',
    ]);
  });

  it('draws one edge for all ways between two states', () => {
    const states = { a: { on: { X: 'b', Y: { target: 'b', guard: 'isOk' } } }, b: {} };
    expect(mermaidOf(chartOf(createMachine({ id: 'two', initial: 'a', states })))).toContain(
      'a --> b : X<br>Y [isOk]',
    );
  });

  it('puts a machine that is parallel itself into a box of its own', () => {
    const states = { left: { initial: 'a', states: { a: {} } }, right: {} };
    const text = mermaidOf(chartOf(createMachine({ id: 'both', type: 'parallel', states })));
    expect(text.split('\n')[1]).toBe('  state "both" as machine {');
  });
});

describe.each(MACHINES.map((registered) => [registered.name, registered.machine] as const))(
  '%s',
  (name, machine) => {
    const chart = chartOf(machine);
    const paths = allStates(chart.root).map(({ path }) => path);

    it('is registered under its own id', () => {
      expect(machine.id).toBe(name);
    });

    it('can be made again from its JSON, and is the same chart then', () => {
      const again = createMachine(JSON.parse(studioJsonOf(machine)) as Parameters<typeof createMachine>[0]);
      expect(chartOf(again)).toEqual(chart);
    });

    it('has no function and no value of a context in its JSON', () => {
      expect(studioJsonOf(machine)).not.toMatch(/=>|function|"context"/);
    });

    it('has every state and way in Mermaid', () => {
      const text = mermaidOf(chart);
      for (const path of paths.slice(1)) expect(text).toContain(` as ${path.replaceAll('.', '_')}`);
      for (const { label } of chart.transitions) expect(text).toContain(label.when);
    });

    it('is drawn as SVG, each state and transition with an element of its own', async () => {
      const svg = await svgOf(chart);
      expect(svg).toMatch(/^<svg[\s\S]*<\/svg>$/);
      const drawn = svg.replaceAll('&#45;', '-');
      for (const path of paths.slice(1)) expect(drawn).toContain(`id="${stateElementId(path)}"`);
      for (const index of chart.transitions.keys()) {
        expect(drawn).toContain(`id="${transitionElementId(index)}" class="edge transition"`);
      }
    });
  },
);

it('is drawn in a thread as it is here, with the events of its transitions', async () => {
  const { svg, transitions } = await drawMachine(kettle);
  expect(svg).toBe(await svgOf(chartOf(kettle)));
  expect(transitions.map(({ from, event, to }) => `${from} > ${event} > ${to}`)).toEqual([
    'on > UNPLUGGED > gone',
    'on.water.cold > xstate.after.boilTime.kettle.on.water.cold > on.water.hot',
    'on.water.hot >  > gone',
    'on.light.dark > PRESSED > on.light.lit',
    'on.light.lit > xstate.done.actor.0.kettle.on.light.lit > on.light.dark',
  ]);
});

it('quotes what Graphviz would take for its own', () => {
  const states = { 'a "b" <c>': { on: { 'x\\"y': 'd' } }, d: {} };
  const dot = dotOf(chartOf(createMachine({ id: 'odd', initial: 'd', states })));
  expect(dot).toContain(String.raw`"a \"b\" <c>" [label=<`);
  expect(dot).toContain('<b>a &quot;b&quot; &lt;c&gt;</b>');
  expect(dot).toContain(String.raw`[label="x\\\"y" `);
});

it('writes a section with a drawing for every machine', () => {
  const text = chartsMarkdown(MACHINES);
  expect(text.match(/^## \w+$/gm)).toEqual(MACHINES.map(({ name }) => `## ${name}`));
  expect(text.match(/^```mermaid$/gm)).toHaveLength(MACHINES.length);
});
