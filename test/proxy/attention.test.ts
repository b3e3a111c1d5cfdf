import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../src/domain/outcome.ts';
import { Attention } from '../../src/proxy/attention.ts';
import { attend } from '../../src/proxy/epoll/thread-reports.ts';
import { sharedInts } from '../../src/proxy/shared-columns.ts';
import { aBackend } from '../support/backends.ts';
import { aRouter } from '../support/proxy.ts';

const THREADS = 3;
const SLOT = 0;

const thread = fc.nat(THREADS - 1);
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('fail' as const), thread }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('succeed' as const), thread }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('read' as const), thread }) },
);

describe('Attention', () => {
  it('is on from a failure until its breaker has forgotten it, and every success meanwhile is told', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const memory = sharedInts(1);
        const owner = new Attention(memory);
        const threads = Array.from({ length: THREADS }, () => new Attention(memory));
        const sent: ('failure' | 'success')[][] = threads.map(() => []);
        /** A breaker that one success puts at ease. */
        let remembers = 0;
        const read = (from: number): void => {
          const batch = sent[from]!.splice(0);
          for (const result of batch) {
            if (result === 'failure') remembers++;
            else remembers = 0;
          }
          for (const result of batch) if (result === 'failure') owner.read(SLOT);
          if (remembers === 0) owner.atEase(SLOT);
        };
        for (const action of steps) {
          const one = threads[action.thread]!;
          if (action.do === 'fail') {
            one.failed(SLOT);
            sent[action.thread]!.push('failure');
          } else if (action.do === 'succeed') {
            if (one.isOn(SLOT)) sent[action.thread]!.push('success');
          } else read(action.thread);
          const isUnread = sent.some((outcomes) => outcomes.includes('failure'));
          if (isUnread || remembers > 0) for (const each of threads) expect(each.isOn(SLOT)).toBe(true);
        }
        for (const from of sent.keys()) read(from);
        if (threads[0]!.isOn(SLOT)) sent[0]!.push('success');
        read(0);
        expect(owner.isOn(SLOT)).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });

  it('does not mind outcomes of a backend that has lost its slot since they were made', () => {
    const { slots, state, apply } = aRouter();
    apply([aBackend()]);
    const outcomes: readonly Outcome[] = [
      { incarnation: 'gone@127.0.0.1:1', epoch: 1, result: 'failure', cause: 'refused', detail: '' },
      { incarnation: 'gone@127.0.0.1:1', epoch: 1, result: 'success' },
    ];
    expect(() => attend(outcomes, slots, state.attention, () => true)).not.toThrow();
  });
});
