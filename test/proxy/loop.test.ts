import { MessageChannel } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { LoopClock } from '../../src/proxy/epoll/clock.ts';
import { Loop, type LoopOptions } from '../../src/proxy/epoll/loop.ts';
import { CELL, FLAG, newSocketTableMemory, SocketTable } from '../../src/proxy/epoll/socket-table.ts';
import { EPOLL, EPOLL_EVENT } from '../../src/proxy/sys/constants.ts';

const WAKE_FD = 3;
const FD = 10;

interface Event {
  readonly events: number;
  readonly fd: number;
  readonly generation: number;
}

/** Hands one batch of events to a loop, which ends after it. */
function handle(batch: readonly Event[], table: SocketTable, onPump: (fd: number) => void): void {
  const buffers: ArrayBuffer[] = [];
  const stopFlag = new Int32Array(new SharedArrayBuffer(4));
  const { port1 } = new MessageChannel();
  const parts = {
    sys: {
      addressOf: (buffer: ArrayBuffer) => buffers.push(buffer) - 1,
      epollControl: () => 0,
      epollWait(_: number, at: number) {
        const words = new Int32Array(buffers[at]!);
        for (const [index, { events, fd, generation }] of batch.entries()) {
          const row = index * EPOLL_EVENT.words;
          words[row] = events;
          words[row + EPOLL_EVENT.descriptor] = fd;
          words[row + EPOLL_EVENT.generation] = generation;
        }
        stopFlag[0] = 1;
        return batch.length;
      },
    },
    listeners: { has: () => false },
    relay: { isBusy: false, takeTurns() {}, pump: onPump },
    timers: { nextMs: () => -1, run() {} },
    waiters: { serve() {} },
    dialer: { dialHeld() {} },
    warm: { run() {} },
    outbox: { flush() {} },
  };
  // Only what a loop asks of its parts when nothing fails.
  const options = {
    ...parts,
    epoll: 4,
    wakeFd: WAKE_FD,
    port: port1,
    stopFlag,
    table,
    clock: new LoopClock(),
    onCommand() {},
  } as unknown as LoopOptions;
  new Loop(options).run();
  port1.close();
}

describe('a batch of events', () => {
  it('says nothing of a connection that has got the number of one closed earlier in the batch', () => {
    const table = new SocketTable(newSocketTableMemory(16));
    table.open(FD, FLAG.OPEN | FLAG.CLIENT);
    const generation = table.get(FD, CELL.GENERATION);
    const pumped: number[] = [];
    const reopen = (fd: number): void => {
      pumped.push(fd);
      table.forget(fd);
      table.open(fd, FLAG.OPEN | FLAG.CLIENT);
    };
    const ofOld = { fd: FD, generation };
    handle(
      [
        { ...ofOld, events: EPOLL.IN },
        { ...ofOld, events: EPOLL.READ_HANG_UP },
      ],
      table,
      reopen,
    );
    expect(pumped).toEqual([FD]);
    expect(table.flagsOf(FD)).toBe(FLAG.OPEN | FLAG.CLIENT);
  });

  it('says nothing of a number that nobody has any more', () => {
    const table = new SocketTable(newSocketTableMemory(16));
    const pumped: number[] = [];
    handle([{ fd: FD, generation: 0, events: EPOLL.IN }], table, (fd) => pumped.push(fd));
    expect([pumped, table.flagsOf(FD)]).toEqual([[], 0]);
  });
});
