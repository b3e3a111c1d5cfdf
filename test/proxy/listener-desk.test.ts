import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { App } from '../../src/proxy/apps.ts';
import { type Acceptor, ListenerDesk } from '../../src/proxy/epoll/listener-desk.ts';
import type { Command } from '../../src/proxy/epoll/messages.ts';

const THREADS = 3;

/** A thread, and the messages that are on their way to it. */
class FakeThread implements Acceptor {
  readonly index: number;
  isReady = true;
  isDrained = false;
  readonly holds = new Map<number, string | undefined>();
  readonly #mail: Command[] = [];

  constructor(index: number) {
    this.index = index;
  }

  tell(command: Command): void {
    this.#mail.push(command);
  }

  get isIdle(): boolean {
    return this.#mail.length === 0;
  }

  /** Does the next thing that it was told. */
  read(desk: ListenerDesk, close: (fd: number) => void): void {
    const command = this.#mail.shift();
    switch (command?.type) {
      case 'adopt':
        this.holds.set(command.listener, command.app.name);
        break;
      case 'serve':
        if (this.holds.has(command.listener)) this.holds.set(command.listener, command.app.name);
        break;
      case 'release':
        if (this.holds.delete(command.listener)) desk.released(command.listener, this);
        break;
      case 'retire':
        if (!this.holds.delete(command.listener)) break;
        desk.retired(command.listener, this);
        close(command.listener);
        break;
      case 'drain':
        desk.closed(this);
        for (const fd of this.holds.keys()) close(fd);
        this.holds.clear();
        this.isDrained = true;
        break;
      default:
    }
  }

  die(): void {
    this.isReady = false;
    this.holds.clear();
    this.#mail.length = 0;
  }
}

const thread = fc.nat(THREADS - 1);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('read' as const), thread }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('die' as const), thread }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('arrive' as const), thread }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('move' as const), thread }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('serve' as const), thread }) },
);

/** The kernel: the lowest free number is given out, and one that is not open cannot be closed. */
class Numbers {
  readonly open = new Set<number>();

  take(count: number): readonly number[] {
    return Array.from({ length: count }, () => {
      let fd = 10;
      while (this.open.has(fd)) fd++;
      this.open.add(fd);
      return fd;
    });
  }

  close(fd: number): void {
    if (!this.open.delete(fd)) throw new Error(`${fd} is not open`);
  }
}

describe('ListenerDesk', () => {
  it('has each listener with one thread, its own if that lives, for the app that it is for, and closes those that are replaced, and all in the end, each once', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.array(step, { maxLength: 20 }), (before, after) => {
        const threads = Array.from({ length: THREADS }, (_, index) => new FakeThread(index));
        const numbers = new Numbers();
        const close = (fd: number): void => numbers.close(fd);
        let fds = numbers.take(THREADS);
        let app: App = { number: 0, name: undefined };
        const desk = new ListenerDesk(threads, close);
        const play = ({ do: what, thread: index }: (typeof before)[number], isRetired: boolean): void => {
          const one = threads[index]!;
          if (what === 'read') one.read(desk, close);
          else if (what === 'die' && one.isReady) {
            one.die();
            desk.left(one);
          } else if (what === 'arrive' && !one.isReady && !isRetired) {
            one.isReady = true;
            desk.arrived(one);
          } else if (what === 'move' && !isRetired) {
            const dropped = fds;
            fds = numbers.take(THREADS);
            desk.open(fds, app);
            desk.close(dropped, false);
          } else if (what === 'serve' && !isRetired) {
            app = { number: app.number + 1, name: `app ${app.number + 1}` };
            desk.serve(fds, app);
          }
          for (const fd of numbers.open)
            expect(threads.filter(({ holds }) => holds.has(fd)).length).toBeLessThanOrEqual(1);
        };
        const settle = (): void => {
          while (threads.some(({ isIdle }) => !isIdle)) for (const one of threads) one.read(desk, close);
        };

        desk.open(fds, app);
        for (const action of before) play(action, false);
        const copy = threads.map(({ isReady }) => isReady);
        if (before.length % 2 === 0) {
          settle();
          for (const [owner, fd] of fds.entries()) {
            for (const { holds } of threads) if (holds.has(fd)) expect(holds.get(fd)).toBe(app.name);
            if (copy[owner]) expect(threads[owner]!.holds.has(fd)).toBe(true);
            else if (copy.includes(true)) expect(threads.some(({ holds }) => holds.has(fd))).toBe(true);
          }
          if (copy.includes(true))
            expect([...numbers.open].toSorted((a, b) => a - b)).toEqual(fds.toSorted((a, b) => a - b));
        }

        desk.retire();
        for (const one of threads) if (one.isReady) one.tell({ type: 'drain' });
        for (const action of after) play(action, true);
        settle();
        expect([...numbers.open]).toEqual([]);
      }),
      { numRuns: 2_000 },
    );
  });
});
