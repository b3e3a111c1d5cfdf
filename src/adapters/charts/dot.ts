import type { Chart, ChartState, ChartTransition } from './chart.ts';

const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** The `id` of a state's element in the drawing. */
export const stateElementId = (path: string): string => `state-${path}`;

/** The `id` of a transition's element in the drawing. */
export const transitionElementId = (index: number): string => `transition-${index}`;

const clusterOf = (path: string): string => `cluster_${path}`;

const indented = (lines: readonly string[]): readonly string[] => lines.map((line) => `  ${line}`);

function tableOf(name: string, lines: readonly string[]): string {
  const title = `<tr><td><b>${escaped(name)}</b></td></tr>`;
  const rows = lines.map((line) => `<tr><td align="left">${escaped(line)}</td></tr>`);
  const body = rows.length === 0 ? '' : `<hr/>${rows.join('')}`;
  return `<<table border="0" cellborder="0" cellpadding="3">${title}${body}</table>>`;
}

function leafBox({ path, name, type, lines }: ChartState): string {
  const attributes = [`label=${tableOf(name, lines)}`, `id=${quoted(stateElementId(path))}`, 'class="state"'];
  if (type === 'final') attributes.push('peripheries=2');
  return `${quoted(path)} [${attributes.join(' ')}];`;
}

function nestedBox(state: ChartState, isRegion: boolean): readonly string[] {
  const { path, name, lines, children, type, initial } = state;
  const start = `start ${path}`;
  return [
    `subgraph ${quoted(clusterOf(path))} {`,
    ...indented([
      `label=${tableOf(name, lines)}; id=${quoted(stateElementId(path))}; class="state";`,
      `style="rounded${isRegion ? ',dashed' : ''}";`,
      ...(initial === undefined ? [] : [`${quoted(start)} [shape=point width=0.15];`]),
      ...children.flatMap((child) => boxOf(child, type === 'parallel')),
    ]),
    '}',
  ];
}

function boxOf(state: ChartState, isRegion: boolean): readonly string[] {
  return state.children.length === 0 ? [leafBox(state)] : nestedBox(state, isRegion);
}

/** Every state that is drawn, outer ones first. */
function statesIn(state: ChartState): readonly ChartState[] {
  return [state, ...state.children.flatMap(statesIn)];
}

/**
 * Writes a chart in the language of Graphviz: states as nodes, composite ones as clusters, regions dashed.
 *
 * The element of each state has the class `state` and the id that `stateElementId` gives; that of each transition the
 * class `transition` and the id that `transitionElementId` gives for its place in the chart.
 */
export function dotOf({ id, root, transitions }: Chart): string {
  const isBoxed = root.type === 'parallel' || root.lines.length > 0;
  const named = { ...root, name: id };
  const states = new Map(statesIn(named).map((state) => [state.path, state]));

  /** Graphviz draws edges between nodes only; one that belongs to a cluster is cut at its border. */
  function leafIn(path: string): string {
    const { initial, children } = states.get(path)!;
    const inner = initial ?? children[0]?.path;
    return inner === undefined ? path : leafIn(inner);
  }

  function edge(from: string, to: string, attributes: readonly string[]): string {
    const borders = [
      leafIn(from) === from ? '' : `ltail=${quoted(clusterOf(from))}`,
      leafIn(to) === to ? '' : `lhead=${quoted(clusterOf(to))}`,
    ];
    const all = [...attributes, ...borders].filter(Boolean);
    return `${quoted(leafIn(from))} -> ${quoted(leafIn(to))} [${all.join(' ')}];`;
  }

  function transitionEdge({ from, to, label: { when, actions } }: ChartTransition, index: number): string {
    const lines = actions.length === 0 ? [when] : [when, `/ ${actions.join(', ')}`];
    const text = lines.map((line) => quoted(line).slice(1, -1)).join(String.raw`\n`);
    const names = [`id=${quoted(transitionElementId(index))}`, 'class="transition"'];
    return edge(from, to, [`label="${text}"`, ...names]);
  }

  const starts = [...states.values()].flatMap(({ path, initial }) => {
    if (initial === undefined) return [];
    const head = leafIn(initial) === initial ? '' : ` [lhead=${quoted(clusterOf(initial))} minlen=2]`;
    return [`${quoted(`start ${path}`)} -> ${quoted(leafIn(initial))}${head};`];
  });
  const boxes = isBoxed
    ? boxOf(named, false)
    : ['"start " [shape=point width=0.15];', ...root.children.flatMap((child) => boxOf(child, false))];
  return [
    `digraph ${quoted(id)} {`,
    ...indented([
      'compound=true; rankdir=TB; ranksep=0.6; nodesep=0.5; fontname="Helvetica"; fontsize=12;',
      'node [shape=box style=rounded fontname="Helvetica" fontsize=12];',
      'edge [fontname="Helvetica" fontsize=11 arrowsize=0.8];',
      ...boxes,
      ...starts,
      ...transitions.map(transitionEdge),
    ]),
    '}',
  ].join('\n');
}
