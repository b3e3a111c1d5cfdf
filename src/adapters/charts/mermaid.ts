import type { Chart, ChartState, ChartTransition } from './chart.ts';

const INDENT = '  ';

/** Mermaid takes letters, digits and `_` as the name of a state. */
const idOf = (path: string): string => (path === '' ? 'machine' : path.replaceAll(/\W/g, '_'));

const escaped = (text: string): string => text.replaceAll(/[<>#;"]/g, (char) => `#${char.codePointAt(0)};`);

const indented = (lines: readonly string[]): readonly string[] => lines.map((line) => INDENT + line);

function parentOf(path: string): string {
  return path.split('.').slice(0, -1).join('.');
}

/** The innermost state that holds both; a transition is written there, or Mermaid would move its states. */
function scopeOf({ from, to }: ChartTransition): string {
  let scope = parentOf(from);
  while (scope !== '' && !to.startsWith(`${scope}.`)) scope = parentOf(scope);
  return scope;
}

/** One line for each pair of states, with all ways between them; more edges than one would hide each other. */
function transitionLines(transitions: readonly ChartTransition[]): readonly string[] {
  const pairs = Map.groupBy(transitions, ({ from, to }) => `${idOf(from)} --> ${idOf(to)}`);
  return [...pairs].map(([pair, ways]) => {
    const whens = new Set(ways.map(({ label: { when } }) => escaped(when)));
    return `${pair} : ${[...whens].join('<br>')}`;
  });
}

/**
 * Writes a chart as a Mermaid state diagram (`stateDiagram-v2`), such as GitHub draws in Markdown.
 *
 * Entry and exit actions, actors and transitions that stay are lines inside their state, or notes beside it; regions of a parallel state
 * are divided by `--`. The actions of transitions are left out: they would cover the drawing.
 */
export function mermaidOf({ id, root, transitions }: Chart): string {
  function body(state: ChartState): readonly string[] {
    const inner = transitionLines(transitions.filter((transition) => scopeOf(transition) === state.path));
    const ends = state.children
      .filter(({ type }) => type === 'final')
      .map(({ path }) => `${idOf(path)} --> [*]`);
    const initial = state.initial === undefined ? [] : [`[*] --> ${idOf(state.initial)}`];
    const children = state.children.map(box);
    const parts =
      state.type === 'parallel'
        ? children.flatMap((child, index) => (index === 0 ? child : ['--', ...child]))
        : children.flat();
    return [...initial, ...parts, ...inner, ...ends];
  }

  function box(state: ChartState): readonly string[] {
    const name = state.path === '' ? id : state.name;
    const own = idOf(state.path);
    if (state.children.length === 0) {
      return [
        `state "${escaped(name)}" as ${own}`,
        ...state.lines.map((line) => `${own} : ${escaped(line)}`),
      ];
    }
    const note = state.lines.map(escaped).join('<br>');
    const notes = note === '' ? [] : [`note right of ${own} : ${note}`];
    return [`state "${escaped(name)}" as ${own} {`, ...indented(body(state)), '}', ...notes];
  }

  const isBoxed = root.type === 'parallel' || root.lines.length > 0;
  return ['stateDiagram-v2', ...indented(isBoxed ? box(root) : body(root))].join('\n');
}
