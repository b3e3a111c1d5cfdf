import { mutationGroup } from './group.ts';

export const gatesMutations = mutationGroup(
  'circuitBreaker + gates',
  'src/proxy/gates.ts',
  ['test/machines/circuit-breaker-gates.test.ts'],
  [
    ['admits one more than there are permits', '>= this.#permits[slot]!', '> this.#permits[slot]!'],
    ['is never shut', 'return this.#permits[slot] !== UNLIMITED &&', 'return false &&'],
    ['takes no permit', 'this.#taken[slot]!++;', ''],
    ['gives no permit back', 'this.#taken[slot]!--;', ';'],
    ['gives back permits that are void', 'if (this.#grants[slot] === grant) ', ''],
    ['a new grant brings no permits', 'if (this.#grants[slot] !== grant) this.#taken[slot] = 0;', ''],
    ['every set brings new permits', 'if (this.#grants[slot] !== grant) this', 'this'],
    [
      'the number of permits never changes',
      'this.#permits[slot] = permits ??',
      'this.#permits[slot] ||= permits ??',
    ],
    ['never takes over the grant', 'this.#grants[slot] = grant;', ''],
    ['never takes over the epoch', 'this.#epochs[slot] = epoch;', ''],
    ['a slot keeps the gate of the backend before', 'this.apply(slot, OPEN_GATE);', ''],
  ],
);
