interface Packed {
  centre: number;
  readonly width: number;
  readonly pull: number;
}

interface Block {
  readonly first: number;
  last: number;
  sum: number;
  pull: number;
}

/**
 * Gives boxes of a row, in their order, the centres that are nearest to what they wish for without overlap: the
 * least sum of squared distances, weighted by `pull` (pool adjacent violators).
 */
export function packCentres<T extends Packed>(
  row: readonly T[],
  wish: (item: T) => number,
  gap: number,
): void {
  const offsets: number[] = [];
  for (const [index, item] of row.entries()) {
    const before = row[index - 1];
    offsets.push(before === undefined ? 0 : offsets[index - 1]! + (before.width + item.width) / 2 + gap);
  }
  const blocks: Block[] = [];
  for (const [index, item] of row.entries()) {
    let block: Block = {
      first: index,
      last: index,
      sum: (wish(item) - offsets[index]!) * item.pull,
      pull: item.pull,
    };
    let before = blocks.at(-1);
    while (before !== undefined && before.sum / before.pull > block.sum / block.pull) {
      blocks.pop();
      block = {
        first: before.first,
        last: block.last,
        sum: before.sum + block.sum,
        pull: before.pull + block.pull,
      };
      before = blocks.at(-1);
    }
    blocks.push(block);
  }
  for (const { first, last, sum, pull } of blocks) {
    for (let index = first; index <= last; index += 1) row[index]!.centre = sum / pull + offsets[index]!;
  }
}
