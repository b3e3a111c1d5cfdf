/**
 * The smallest of many scores, kept up to date: one leaf an entry, each inner node knows its best score and how
 * much weight shares it.
 *
 *              [best 0.1, ties 3]
 *             /                  \
 *      [0.1, 2]                [0.1, 1]
 *      /      \                /      \
 *  0.1 (w 2)  0.4 (w 1)    0.1 (w 1)   ∞
 *
 * An update climbs from the leaf and stops at the first node that stays as it was; a pick descends, and where both
 * sides are equally good it chooses in proportion to the weight behind each. Both are O(log n) at worst.
 */
export class TournamentTree {
  readonly #size: number;
  readonly #best: Float64Array;
  readonly #ties: Float64Array;

  /** @param scores one score a leaf, lower is better, `Infinity` is never picked; @param weights all above 0 */
  constructor(scores: ArrayLike<number>, weights: ArrayLike<number>) {
    this.#size = 2 ** Math.ceil(Math.log2(Math.max(1, scores.length)));
    this.#best = new Float64Array(2 * this.#size).fill(Infinity);
    this.#ties = new Float64Array(2 * this.#size);
    for (let leaf = 0; leaf < scores.length; leaf++) {
      this.#best[this.#size + leaf] = scores[leaf]!;
      this.#ties[this.#size + leaf] = weights[leaf]!;
    }
    for (let node = this.#size - 1; node > 0; node--) this.#combine(node);
  }

  update(leaf: number, score: number): void {
    let node = this.#size + leaf;
    this.#best[node] = score;
    for (node >>= 1; node > 0 && this.#combine(node); node >>= 1);
  }

  /** The leaf with the lowest score, or -1 when every score is `Infinity`. @param random in [0, 1), breaks ties */
  pick(random: number): number {
    if (this.#best[1] === Infinity) return -1;
    let node = 1;
    let share = random * this.#ties[1]!;
    while (node < this.#size) {
      const left = 2 * node;
      if (this.#best[left]! < this.#best[left + 1]!) node = left;
      else if (this.#best[left]! > this.#best[left + 1]!) node = left + 1;
      else if (share < this.#ties[left]!) node = left;
      else {
        share -= this.#ties[left]!;
        node = left + 1;
      }
    }
    return node - this.#size;
  }

  /** Recomputes a node from its children; false when it stays as it was. */
  #combine(node: number): boolean {
    const left = this.#best[2 * node]!;
    const right = this.#best[2 * node + 1]!;
    const best = Math.min(left, right);
    const ties =
      (left === best ? this.#ties[2 * node]! : 0) + (right === best ? this.#ties[2 * node + 1]! : 0);
    if (this.#best[node] === best && this.#ties[node] === ties) return false;
    this.#best[node] = best;
    this.#ties[node] = ties;
    return true;
  }
}
