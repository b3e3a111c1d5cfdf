import { mutationGroup } from './group.ts';

export const gatesMutations = mutationGroup(
  'circuitBreaker + gates',
  'src/proxy/gates.ts',
  ['test/machines/circuit-breaker-gates.test.ts'],
  [
    [
      'takes one more than there are permits',
      'if ((cell & MOST_TAKEN) >= permits - 1) return SHUT;',
      'if ((cell & MOST_TAKEN) > permits - 1) return SHUT;',
    ],
    [
      'is shut one permit late',
      '(Atomics.load(this.#grants, slot) & MOST_TAKEN) >= permits - 1;',
      '(Atomics.load(this.#grants, slot) & MOST_TAKEN) > permits - 1;',
    ],
    ['is never shut', 'return permits !== UNLIMITED &&', 'return false &&'],
    ['takes no permit', 'slot, cell, cell + 1)', 'slot, cell, cell)'],
    ['gives no permit back', 'slot, cell, cell - 1)', 'slot, cell, cell)'],
    ['gives back permits that are void', 'cell >>> TAKEN_BITS !== permit || ', ''],
    [
      'a new grant brings no permits',
      'if (this.#tagOf(slot) !== tag) Atomics.store(this.#grants, slot, tag << TAKEN_BITS);',
      'Atomics.store(this.#grants, slot, (tag << TAKEN_BITS) | (this.#grants[slot]! & MOST_TAKEN));',
    ],
    [
      'every set brings new permits',
      'if (!isSame) {',
      'Atomics.store(this.#grants, slot, tag << TAKEN_BITS); if (!isSame) {',
    ],
    [
      'the number of permits never changes',
      'Atomics.store(this.#permits, slot, cellOf(permits));',
      'if (!isSame) Atomics.store(this.#permits, slot, cellOf(permits));',
    ],
    ['never takes over the epoch', 'Atomics.store(this.#epochs, slot, epoch);', ''],
    ['a slot keeps the gate of the backend before', 'this.apply(slot, OPEN_GATE);', ''],
  ],
);
