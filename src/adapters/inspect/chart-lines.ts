import type { Box } from './layered.ts';
import { packCentres } from './pack.ts';

/** A transition from box to box through its label; the bends lie between. */
export interface Line {
  readonly source: string;
  readonly target: string;
  readonly from: Box;
  readonly to: Box;
  readonly label: Box;
  readonly toLabel: readonly Box[];
  readonly toEnd: readonly Box[];
}

const ANCHOR_GAP = 18;
const CORNER = 14;

interface Point {
  readonly x: number;
  readonly y: number;
}

/** An end of a line at a box: at its upper or lower side, near to where the line comes from. */
class Anchor {
  readonly width = 0;
  readonly pull = 1;
  centre = 0;
  readonly box: Box;
  readonly wishX: number;
  readonly isLower: boolean;

  constructor(box: Box, next: Box) {
    this.box = box;
    this.wishX = next.x + next.width / 2;
    this.isLower = next.y + next.height / 2 > box.y + box.height / 2;
  }

  get point(): Point {
    return { x: this.centre, y: this.isLower ? this.box.y + this.box.height : this.box.y };
  }
}

/** Spreads the ends at one side of a box. */
function spread(anchors: readonly Anchor[]): void {
  const { x, width } = anchors[0]!.box;
  const inset = Math.min(CORNER, width / 2);
  const [left, right] = [x + inset, x + width - inset];
  const row = anchors.toSorted((a, b) => a.wishX - b.wishX);
  const gap = Math.min(ANCHOR_GAP, row.length < 2 ? 0 : (right - left) / (row.length - 1));
  packCentres(row, ({ wishX }) => Math.min(right, Math.max(left, wishX)), gap);
  const over = Math.max(0, row.at(-1)!.centre - right);
  const under = Math.max(0, left - row[0]!.centre);
  for (const anchor of row) anchor.centre += under - over;
}

const round = (value: number): string => String(Math.round(value * 10) / 10);

/** A smooth line that leaves and arrives upright, and passes each bend straight. */
function pathThrough(start: Point, bends: readonly Box[], end: Point): string {
  let at = start;
  const parts = [`M${round(at.x)} ${round(at.y)}`];
  const curveTo = (to: Point): void => {
    const half = (to.y - at.y) / 2;
    const points = [at.x, at.y + half, to.x, to.y - half, to.x, to.y].map(round);
    parts.push(`C${points.join(' ')}`);
    at = to;
  };
  for (const { x, y, width, height } of bends) {
    const centre = x + width / 2;
    const isDownwards = y + height / 2 > at.y;
    curveTo({ x: centre, y: isDownwards ? y : y + height });
    at = { x: centre, y: isDownwards ? y + height : y };
    parts.push(`L${round(at.x)} ${round(at.y)}`);
  }
  curveTo(end);
  return parts.join('');
}

/** The paths of every line, to its label and from its label, with their ends spread over the sides of the boxes. */
export function anchorLines(lines: readonly Line[]): readonly (readonly string[])[] {
  const sides = new Map<string, Anchor[]>();
  const anchor = (id: string, box: Box, next: Box): Anchor => {
    const end = new Anchor(box, next);
    const side = `${id} ${end.isLower}`;
    sides.set(side, [...(sides.get(side) ?? []), end]);
    return end;
  };
  const ends = lines.map(({ source, target, from, to, label, toLabel, toEnd }) => ({
    start: anchor(source, from, toLabel[0] ?? label),
    end: anchor(target, to, toEnd.at(-1) ?? label),
  }));
  for (const anchors of sides.values()) spread(anchors);
  return lines.map(({ label, toLabel, toEnd }, index) => {
    const { start, end } = ends[index]!;
    const middle = label.x + label.width / 2;
    const before = toLabel.at(-1) ?? start.box;
    const isFromAbove = before.y + before.height / 2 < label.y + label.height / 2;
    const [top, bottom] = [label.y, label.y + label.height];
    return [
      pathThrough(start.point, toLabel, { x: middle, y: isFromAbove ? top : bottom }),
      pathThrough({ x: middle, y: isFromAbove ? bottom : top }, toEnd, end.point),
    ];
  });
}
