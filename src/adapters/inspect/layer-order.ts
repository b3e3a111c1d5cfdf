import { packCentres } from './pack.ts';

const BOX_GAP = 22;
const SWEEPS = 12;

/** A box or a bend of a line in one layer, with its neighbours in the layers above and below. */
export interface Cell {
  readonly width: number;
  readonly height: number;
  readonly layer: number;
  /** How much it resists being pushed away from its neighbours. */
  readonly pull: number;
  readonly up: Cell[];
  readonly down: Cell[];
  centre: number;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

function crossings(layers: readonly (readonly Cell[])[]): number {
  let count = 0;
  for (const layer of layers) {
    const lines = layer.flatMap((upper, place) =>
      upper.down.map((lower) => [place, layers[lower.layer]!.indexOf(lower)] as const),
    );
    for (const [a, b] of lines) for (const [c, d] of lines) if (a < c && b > d) count += 1;
  }
  return count;
}

/** Orders each layer by where its neighbours are, down and up again, and keeps the order with the fewest crossings. */
export function orderLayers(layers: Cell[][]): void {
  let best = layers.map((layer) => [...layer]);
  let fewest = crossings(layers);
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep += 1) {
    const isDown = sweep % 2 === 0;
    const sequence = isDown ? layers.slice(1) : layers.slice(0, -1).toReversed();
    for (const layer of sequence) {
      const places = new Map(
        layer.map((one, own) => {
          const near = isDown ? one.up : one.down;
          return [
            one,
            near.length === 0 ? own : mean(near.map((other) => layers[other.layer]!.indexOf(other))),
          ];
        }),
      );
      layer.sort((a, b) => places.get(a)! - places.get(b)!);
    }
    const now = crossings(layers);
    if (now < fewest) [fewest, best] = [now, layers.map((layer) => [...layer])];
  }
  for (const [index, layer] of best.entries()) layers[index] = layer;
}

/** Moves every cell towards its neighbours, as far as its layer has room; the leftmost box ends at 0. */
export function placeCells(layers: readonly (readonly Cell[])[]): void {
  for (const layer of layers) packCentres(layer, () => 0, BOX_GAP);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (const layer of sweep % 2 === 0 ? layers : layers.toReversed()) {
      const wish = ({ up, down, centre }: Cell): number => {
        const near = [...up, ...down];
        return near.length === 0 ? centre : mean(near.map((other) => other.centre));
      };
      packCentres(layer, wish, BOX_GAP);
    }
  }
  const left = Math.min(...layers.flat().map(({ centre, width }) => centre - width / 2));
  for (const one of layers.flat()) one.centre -= left;
}
