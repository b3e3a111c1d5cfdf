import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planListeners } from '../../src/proxy/listener-plan.ts';

const LOCAL = '127.0.0.1';
const at = (port: number, app?: string) => ({ address: { host: LOCAL, port }, app });

describe('a plan of listeners', () => {
  it('keeps what is wanted, binds what is missing, and drops the rest', () => {
    const [one, two, three] = [at(1, 'a'), at(2, 'b'), at(3)];
    expect(planListeners([one, two, three], [at(2, 'b'), at(4), at(3, 'c')])).toEqual({
      kept: [two, undefined, three],
      dropped: [one],
    });
  });

  it('tells listeners on free ports apart by their apps', () => {
    const [a, b] = [at(0, 'a'), at(0, 'b')];
    expect(planListeners([a, b], [at(0, 'b')])).toEqual({ kept: [b], dropped: [a] });
    expect(planListeners([a, b], [at(0, 'c'), at(0, 'a')])).toEqual({ kept: [b, a], dropped: [] });
  });

  it('tells a listener that goes by the server name from one of every app', () => {
    const [named, every] = [{ ...at(0), goesByServerName: true as const }, at(0)];
    expect(planListeners([named, every], [every])).toEqual({ kept: [every], dropped: [named] });
    expect(planListeners([every, named], [named])).toEqual({ kept: [named], dropped: [every] });
    expect(planListeners([named], [every])).toEqual({ kept: [named], dropped: [] });
  });

  it('gives each listener to one at most, of its own address', () => {
    const some = fc.array(
      fc.record({
        address: fc.record({ host: fc.constantFrom(LOCAL, '::'), port: fc.nat(2) }),
        app: fc.constantFrom(undefined, 'a', 'b'),
      }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(some, some, (present, wanted) => {
        const { kept, dropped } = planListeners(present, wanted);
        const used = kept.filter((one) => one !== undefined);
        expect(new Set([...used, ...dropped]).size).toBe(present.length);
        expect(used.length + dropped.length).toBe(present.length);
        for (const [index, one] of kept.entries())
          if (one !== undefined) expect(one.address).toEqual(wanted[index]!.address);
        const missing = wanted.filter((_, index) => kept[index] === undefined).map(({ address }) => address);
        for (const { address } of dropped) expect(missing).not.toContainEqual(address);
      }),
    );
  });
});
