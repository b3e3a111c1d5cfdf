import { measureLabel, measureState, type StateMeasure } from './chart-measure.ts';
import type { Chart, ChartEdge, ChartState } from './chart.ts';
import { backEdges, type Box, layOutLayered, type LayeredEdge, type LayeredNode } from './layered.ts';

const REGION_GAP = 22;

/** Room at the left of an initial state, for the dot that leads to it. */
const INITIAL_ROOM = 26;

/** A state with its inside laid out, relative to its own top left corner. */
export interface Inside {
  readonly state: ChartState;
  readonly width: number;
  readonly height: number;
  readonly children: readonly { readonly inside: Inside; readonly x: number; readonly y: number }[];
  readonly labels: ReadonlyMap<ChartEdge, Box>;
  /** Bends of lines that pass here, towards their label or its end. */
  readonly toLabel: ReadonlyMap<ChartEdge, readonly Box[]>;
  readonly toEnd: ReadonlyMap<ChartEdge, readonly Box[]>;
}

export const shift = <T extends Box>(box: T, x: number, y: number): T => ({
  ...box,
  x: box.x + x,
  y: box.y + y,
});

const key = ({ source, target }: ChartEdge): string => `${source}>${target}`;

const room = ({ isInitial }: ChartState): number => (isInitial ? INITIAL_ROOM : 0);

class InsideLayout {
  readonly #edges: readonly ChartEdge[];
  readonly #paths = new Map<string, readonly string[]>();

  constructor({ root, edges }: Chart) {
    this.#edges = edges;
    const walk = (state: ChartState, above: readonly string[]): void => {
      const path = [...above, state.id];
      this.#paths.set(state.id, path);
      for (const child of state.children) walk(child, path);
    };
    walk(root, []);
  }

  /** The child of the state at this depth through which an end of a line goes, or the end itself. */
  #childAt(id: string, depth: number): string {
    return this.#paths.get(id)![depth + 1] ?? id;
  }

  #depthOf({ source, target }: ChartEdge): number {
    const [a, b] = [this.#paths.get(source)!, this.#paths.get(target)!];
    let depth = 0;
    while (depth + 1 < Math.min(a.length, b.length) && a[depth + 1] === b[depth + 1]) depth += 1;
    return depth;
  }

  layOut(state: ChartState, leaving: readonly ChartEdge[] = []): Inside {
    const depth = this.#paths.get(state.id)!.length - 1;
    const own = measureState(state);
    if (state.children.length === 0) {
      const none = new Map<ChartEdge, never>();
      return { state, ...own, children: [], labels: none, toLabel: none, toEnd: none };
    }
    const within = this.#edges.filter(
      (edge) => this.#depthOf(edge) === depth && this.#paths.get(edge.source)![depth] === state.id,
    );
    return state.type === 'parallel'
      ? this.#regions(state, own, leaving)
      : this.#layers(state, own, within, leaving, depth);
  }

  #regions(state: ChartState, own: StateMeasure, leaving: readonly ChartEdge[]): Inside {
    const regions = state.children.map((child) => this.layOut(child, this.#leaving(child.id, leaving)));
    const tallest = Math.max(...regions.map(({ height }) => height));
    let x = own.padding;
    const children = regions.map((region) => {
      const placed = { inside: { ...region, height: tallest }, x, y: own.top };
      x += region.width + REGION_GAP;
      return placed;
    });
    const none = new Map<ChartEdge, never>();
    const width = Math.max(own.width, x - REGION_GAP + own.padding);
    return {
      state,
      width,
      height: own.top + tallest + own.padding,
      children,
      labels: none,
      toLabel: none,
      toEnd: none,
    };
  }

  /** Those of the lines whose source lies below this child, not at it. */
  #leaving(child: string, edges: readonly ChartEdge[]): readonly ChartEdge[] {
    return edges.filter(({ source }) => source !== child && this.#paths.get(source)!.includes(child));
  }

  #layers(
    state: ChartState,
    own: StateMeasure,
    within: readonly ChartEdge[],
    leaving: readonly ChartEdge[],
    depth: number,
  ): Inside {
    const initialFirst = state.children.toSorted((a, b) => Number(b.isInitial) - Number(a.isInitial));
    const edges: readonly LayeredEdge[] = [
      ...within.map((edge) => ({
        id: key(edge),
        from: this.#childAt(edge.source, depth),
        to: this.#childAt(edge.target, depth),
        label: measureLabel(edge.triggers),
      })),
      ...leaving.map((edge) => ({
        id: key(edge),
        from: this.#childAt(edge.source, depth),
        to: `port ${key(edge)}`,
        label: undefined,
      })),
    ];
    const ids = initialFirst.map(({ id }) => ({ id, width: 0, height: 0 }));
    const back = backEdges(ids, edges);
    const forward = within.filter((_, index) => !back.has(edges[index]!));
    const insides = new Map(
      initialFirst.map((child) => [
        child.id,
        this.layOut(child, this.#leaving(child.id, [...forward, ...leaving])),
      ]),
    );
    const nodes: readonly LayeredNode[] = [
      ...initialFirst.map((child) => {
        const { width, height } = insides.get(child.id)!;
        // Room on both sides keeps lines in the middle of the box.
        return { id: child.id, width: width + 2 * room(child), height };
      }),
      ...leaving.map((edge) => ({ id: `port ${key(edge)}`, width: 2, height: 0, isLast: true })),
    ];
    const layout = layOutLayered(nodes, edges);
    const width = Math.max(own.width, layout.width + 2 * own.padding);
    const left = (width - layout.width) / 2;
    const moved = (box: Box): Box => shift(box, left, own.top);
    const bendsOf = (edge: ChartEdge) => layout.bends.get(key(edge))!;
    return {
      state,
      width,
      height: own.top + layout.height + own.padding,
      children: state.children.map((child) => {
        const { x, y } = moved(layout.nodes.get(child.id)!);
        return { inside: insides.get(child.id)!, x: x + room(child), y };
      }),
      labels: new Map(within.map((edge) => [edge, moved(layout.labels.get(key(edge))!)])),
      toLabel: new Map([
        ...within.map((edge) => [edge, bendsOf(edge).toLabel.map(moved)] as const),
        ...leaving.map((edge) => {
          const port = layout.nodes.get(`port ${key(edge)}`)!;
          const border = { ...port, height: own.padding };
          return [edge, [...bendsOf(edge).toEnd, border].map(moved)] as const;
        }),
      ]),
      toEnd: new Map(within.map((edge) => [edge, bendsOf(edge).toEnd.map(moved)])),
    };
  }
}

/** Lays out what is inside a machine, level by level, the innermost first. */
export function layOutInside(chart: Chart): Inside {
  return new InsideLayout(chart).layOut(chart.root);
}
