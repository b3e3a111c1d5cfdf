import { type Cell, orderLayers, placeCells } from './layer-order.ts';

/** A box of the graph. `isLast` puts it below all others. */
export interface LayeredNode {
  readonly id: string;
  readonly width: number;
  readonly height: number;
  readonly isLast?: boolean;
}

/** A line of the graph; with a label it runs through a box of that size. */
export interface LayeredEdge {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly label: Size | undefined;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** `x` and `y` of the top left corner. */
export interface Box extends Size {
  readonly x: number;
  readonly y: number;
}

export interface LayeredLayout extends Size {
  readonly nodes: ReadonlyMap<string, Box>;
  readonly labels: ReadonlyMap<string, Box>;
  /** Where a line passes between boxes: from its start to its label, and from the label (or the start) to its end. */
  readonly bends: ReadonlyMap<string, { readonly toLabel: readonly Box[]; readonly toEnd: readonly Box[] }>;
}

const LAYER_GAP = 30;
const DUMMY_PULL = 4;

const cell = ({ width, height }: Size, layer: number, pull = 1): Cell => ({
  width,
  height,
  layer,
  pull,
  up: [],
  down: [],
  centre: 0,
});

const link = (upper: Cell, lower: Cell): void => {
  upper.down.push(lower);
  lower.up.push(upper);
};

/** The lines that lead back to the first node or to where a walk from it came from; without them there is no cycle. */
export function backEdges(
  nodes: readonly LayeredNode[],
  edges: readonly LayeredEdge[],
): ReadonlySet<LayeredEdge> {
  const back = new Set<LayeredEdge>();
  const first = nodes[0]?.id;
  const state = new Map<string, 'open' | 'done'>();
  const visit = (id: string): void => {
    state.set(id, 'open');
    for (const edge of edges.filter(({ from }) => from === id)) {
      const seen = state.get(edge.to);
      if (seen === 'open' || edge.to === first) back.add(edge);
      else if (seen === undefined) visit(edge.to);
    }
    state.set(id, 'done');
  };
  for (const { id } of nodes) if (!state.has(id)) visit(id);
  return back;
}

/** The layer of each node: below every node that leads to it, with a layer between for a label. */
function layersOf(
  nodes: readonly LayeredNode[],
  edges: readonly LayeredEdge[],
  back: ReadonlySet<LayeredEdge>,
): ReadonlyMap<string, number> {
  const layers = new Map<string, number>();
  const upperOf = (edge: LayeredEdge): string => (back.has(edge) ? edge.to : edge.from);
  const lowerOf = (edge: LayeredEdge): string => (back.has(edge) ? edge.from : edge.to);
  const layerOf = (id: string): number => {
    const known = layers.get(id);
    if (known !== undefined) return known;
    const layer = Math.max(
      0,
      ...edges
        .filter((edge) => lowerOf(edge) === id)
        .map((edge) => layerOf(upperOf(edge)) + (edge.label === undefined ? 1 : 2)),
    );
    layers.set(id, layer);
    return layer;
  };
  for (const { id } of nodes) layerOf(id);
  const last = Math.max(0, ...layers.values());
  for (const { id, isLast } of nodes) if (isLast === true) layers.set(id, last + 1);
  return layers;
}

/** Joins two cells by a chain of dummies through the layers between them; returns the dummies from top to bottom. */
function joinThrough(upper: Cell, lower: Cell, add: (cell: Cell) => void): readonly Cell[] {
  const dummies: Cell[] = [];
  let above = upper;
  for (let layer = upper.layer + 1; layer < lower.layer; layer += 1) {
    const dummy = cell({ width: 2, height: 0 }, layer, DUMMY_PULL);
    add(dummy);
    link(above, dummy);
    dummies.push(dummy);
    above = dummy;
  }
  link(above, lower);
  return dummies;
}

/**
 * Lays boxes and lines out in layers from top to bottom, lines back to the top included, each label in a box of its
 * own. The first node is the one that everything starts from. Source: Sugiyama, Tagawa, Toda (1981).
 */
export function layOutLayered(nodes: readonly LayeredNode[], edges: readonly LayeredEdge[]): LayeredLayout {
  const back = backEdges(nodes, edges);
  const layerOf = layersOf(nodes, edges, back);
  const layers: Cell[][] = [];
  const add = (one: Cell): void => void (layers[one.layer] ??= []).push(one);
  const nodeCells = new Map<string, Cell>();
  for (const node of nodes) {
    const own = cell(node, layerOf.get(node.id)!);
    nodeCells.set(node.id, own);
    add(own);
  }
  const labelCells = new Map<string, Cell>();
  const routes = edges.map((edge) => {
    const isBack = back.has(edge);
    const from = nodeCells.get(edge.from)!;
    const to = nodeCells.get(edge.to)!;
    const [upper, lower] = isBack ? [to, from] : [from, to];
    if (edge.label === undefined) {
      const dummies = joinThrough(upper, lower, add);
      return { id: edge.id, toLabel: [], toEnd: isBack ? dummies.toReversed() : dummies };
    }
    const label = cell(edge.label, isBack ? from.layer - 1 : from.layer + 1);
    add(label);
    labelCells.set(edge.id, label);
    const above = joinThrough(upper, label, add);
    const below = joinThrough(label, lower, add);
    return isBack
      ? { id: edge.id, toLabel: below.toReversed(), toEnd: above.toReversed() }
      : { id: edge.id, toLabel: above, toEnd: below };
  });
  orderLayers(layers);
  placeCells(layers);

  const heights = layers.map((layer) => Math.max(...layer.map(({ height }) => height)));
  const tops = heights.map((_, index) =>
    heights.slice(0, index).reduce((sum, height) => sum + height + LAYER_GAP, 0),
  );
  const boxOf = ({ centre, layer, width, height }: Cell): Box => {
    // A line passes a layer straight; a box sits in its middle.
    const full = height === 0 ? heights[layer]! : height;
    return { x: centre - width / 2, y: tops[layer]! + (heights[layer]! - full) / 2, width, height: full };
  };
  const boxes = (cells: ReadonlyMap<string, Cell>): ReadonlyMap<string, Box> =>
    new Map([...cells].map(([id, one]) => [id, boxOf(one)]));
  return {
    width: Math.max(0, ...layers.flat().map(({ centre, width }) => centre + width / 2)),
    height: Math.max(0, (tops.at(-1) ?? 0) + (heights.at(-1) ?? 0)),
    nodes: boxes(nodeCells),
    labels: boxes(labelCells),
    bends: new Map(
      routes.map(({ id, toLabel, toEnd }) => [id, { toLabel: toLabel.map(boxOf), toEnd: toEnd.map(boxOf) }]),
    ),
  };
}
