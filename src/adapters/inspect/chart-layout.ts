import { type Inside, layOutInside, shift } from './chart-inside.ts';
import { anchorLines, type Line } from './chart-lines.ts';
import type { Chart, ChartEdge, ChartStateType, Trigger } from './chart.ts';
import type { Box } from './layered.ts';

export interface PlacedState extends Box {
  readonly id: string;
  readonly key: string;
  readonly parent: string | undefined;
  readonly type: ChartStateType;
  readonly isInitial: boolean;
  readonly rows: readonly string[];
}

/** `x`, `y`, `width`, `height` are those of its label; `paths` lead to it and from it, as SVG path data. */
export interface PlacedTransition extends Box {
  readonly source: string;
  readonly target: string;
  readonly triggers: readonly Trigger[];
  readonly paths: readonly string[];
}

/** A picture of a machine: everything has its place, containers come before what they contain. */
export interface ChartLayout {
  readonly width: number;
  readonly height: number;
  readonly states: readonly PlacedState[];
  readonly transitions: readonly PlacedTransition[];
}

const round = (value: number): number => Math.round(value * 10) / 10;

const rounded = <T extends Box>(box: T): T => ({
  ...box,
  x: round(box.x),
  y: round(box.y),
  width: round(box.width),
  height: round(box.height),
});

/** Lays out a machine: layers from top to bottom, parallel regions side by side, every transition with its label. */
export function layOutChart(chart: Chart): ChartLayout {
  const whole = layOutInside(chart);
  const states: PlacedState[] = [];
  const lines = new Map<ChartEdge, { label?: Box; toLabel: Box[]; toEnd: Box[] }>(
    chart.edges.map((edge) => [edge, { toLabel: [], toEnd: [] }]),
  );
  const collect = (inside: Inside, x: number, y: number, parent: string | undefined): void => {
    const { state, width, height } = inside;
    const { id, key, type, isInitial, rows } = state;
    states.push({ id, key, type, isInitial, rows, parent, x, y, width, height });
    for (const { inside: child, x: childX, y: childY } of inside.children)
      collect(child, x + childX, y + childY, id);
    for (const [edge, box] of inside.labels) lines.get(edge)!.label = shift(box, x, y);
    // Inner bends are collected first: a line leaves from the inside.
    for (const [edge, bends] of inside.toLabel)
      lines.get(edge)!.toLabel.push(...bends.map((box) => shift(box, x, y)));
    for (const [edge, bends] of inside.toEnd)
      lines.get(edge)!.toEnd.push(...bends.map((box) => shift(box, x, y)));
  };
  collect(whole, 0, 0, undefined);

  const boxOf = new Map<string, Box>(states.map((state) => [state.id, state]));
  const drawn = chart.edges.flatMap((edge) => {
    const { label, toLabel, toEnd } = lines.get(edge)!;
    if (label === undefined) return [];
    const line: Line = {
      source: edge.source,
      target: edge.target,
      from: boxOf.get(edge.source)!,
      to: boxOf.get(edge.target)!,
      label,
      toLabel,
      toEnd,
    };
    return [{ edge, line }];
  });
  const paths = anchorLines(drawn.map(({ line }) => line));
  return {
    width: round(whole.width),
    height: round(whole.height),
    states: states.map(rounded),
    transitions: drawn.map(({ edge, line }, index) =>
      rounded({
        source: edge.source,
        target: edge.target,
        triggers: edge.triggers,
        ...line.label,
        paths: paths[index]!,
      }),
    ),
  };
}
