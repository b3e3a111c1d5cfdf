import * as fc from 'fast-check';

export type Side = 'client' | 'backend';

/**
 * What one side of a connection does. Waiting is for a condition, never for a time: `await-receipt` until the other
 * side has received all that was sent so far, `await-fin` until the FIN of the other side has been seen. Both are
 * passed over where nobody may promise that, such as after a reset. `turns` gives the event loop away.
 */
export type Step =
  | { readonly side: Side; readonly act: 'send'; readonly sizes: readonly number[]; readonly apart: boolean }
  | {
      readonly side: Side;
      readonly act: 'stop-reading' | 'read-on' | 'fin' | 'reset' | 'close' | 'await-receipt' | 'await-fin';
    }
  | { readonly act: 'turns'; readonly count: number };

/** The steps of each of some connections, which run at the same time. */
export type Script = readonly (readonly Step[])[];

/** A buffer of the proxy, and a byte less and more. */
const READ_BYTES = 65_536;

/** More than the kernel takes off a sender on both sides of a proxy while the receiver does not read. */
const FLOOD_BYTES = 12_000_000;

const side = fc.constantFrom<Side>('client', 'backend');
const size = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 16 }) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 2_000 }) },
  { weight: 2, arbitrary: fc.constantFrom(READ_BYTES - 1, READ_BYTES, READ_BYTES + 1, 2 * READ_BYTES) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 300_000 }) },
);

const send = (sizes: fc.Arbitrary<number[]>, apart: fc.Arbitrary<boolean>): fc.Arbitrary<Step> =>
  fc.record({ side, act: fc.constant('send' as const), sizes, apart });
const act = (name: Exclude<Step['act'], 'send' | 'turns'>): fc.Arbitrary<Step> =>
  fc.record({ side, act: fc.constant(name) });

const step = fc.oneof(
  {
    weight: 24,
    arbitrary: send(
      size.map((one) => [one]),
      fc.constant(false),
    ),
  },
  {
    weight: 6,
    arbitrary: send(
      fc.array(fc.integer({ min: 1, max: 600 }), { minLength: 10, maxLength: 40 }),
      fc.boolean(),
    ),
  },
  { weight: 1, arbitrary: send(fc.constant([FLOOD_BYTES]), fc.constant(false)) },
  { weight: 9, arbitrary: act('stop-reading') },
  { weight: 6, arbitrary: act('read-on') },
  { weight: 9, arbitrary: act('fin') },
  { weight: 3, arbitrary: act('reset') },
  { weight: 3, arbitrary: act('close') },
  { weight: 9, arbitrary: act('await-receipt') },
  { weight: 6, arbitrary: act('await-fin') },
  {
    weight: 9,
    arbitrary: fc.record({ act: fc.constant('turns' as const), count: fc.integer({ min: 1, max: 8 }) }),
  },
);

export const scripts: fc.Arbitrary<Script> = fc.array(fc.array(step, { minLength: 1, maxLength: 14 }), {
  minLength: 1,
  maxLength: 3,
});
