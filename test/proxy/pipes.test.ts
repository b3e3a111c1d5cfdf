import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { LoopClock } from '../../src/proxy/epoll/clock.ts';
import { Pipes } from '../../src/proxy/epoll/pipes.ts';
import { newSocketTableMemory, SocketTable } from '../../src/proxy/epoll/socket-table.ts';
import type { Sys } from '../../src/proxy/sys/sys.ts';

const { EMFILE, EPERM } = constants.errno;
const WANTED = 1_048_576;
const STANDARD = 65_536;

/** Pipes of a kernel that grants this size at most; 0 is less than the standard one. */
function pipes(most: number) {
  const clock = new LoopClock();
  const seen = {
    open: new Set<number>(),
    asked: 0,
    small: [] as (string | number)[][],
    spliced: [] as number[],
  };
  const grant = { most, descriptors: Infinity };
  let fds = new Int32Array(2);
  const sys = {
    addressOf: (buffer: ArrayBuffer) => void (fds = new Int32Array(buffer)),
    pipe() {
      seen.asked++;
      if (seen.open.size >= grant.descriptors) return -EMFILE;
      fds.set([10 + seen.asked * 2, 11 + seen.asked * 2]);
      for (const fd of fds) seen.open.add(fd);
      return 0;
    },
    setPipeSize: (_: number, bytes: number) => (bytes <= grant.most ? bytes : -EPERM),
    close: (fd: number) => Number(seen.open.delete(fd)),
    splice: (_from: number, _to: number, length: number) => seen.spliced.push(length) * 0,
  };
  const own = new Pipes({
    sys: sys as unknown as Sys,
    table: new SocketTable(newSocketTableMemory(128)),
    clock,
    pipeBytes: WANTED,
    onSmall: (bytes, error) => void seen.small.push([bytes, error]),
  });
  return { own, seen, grant, clock };
}

describe('pipes', () => {
  it('are of the size that is wanted', () => {
    const { own, seen } = pipes(WANTED);
    own.fill(own.take(), 1);
    expect(seen).toMatchObject({ spliced: [WANTED], small: [] });
  });

  it('are of the standard size where the account may have no larger ones, and say so', () => {
    const { own, seen } = pipes(STANDARD);
    own.fill(own.take(), 1);
    expect(seen).toMatchObject({ spliced: [STANDARD], small: [[STANDARD, 'EPERM']] });
  });

  it('are none rather than tiny ones, and not asked for again at once', () => {
    const { own, seen, grant, clock } = pipes(0);
    expect([own.take(), own.take()]).toEqual([-1, -1]);
    expect(seen).toMatchObject({ asked: 1, small: [[0, 'EPERM']] });
    expect(seen.open.size).toBe(0);
    grant.most = WANTED;
    clock.ms += 1_000;
    expect(own.take()).toBeGreaterThanOrEqual(0);
  });

  it('are none without descriptors, and those kept for later can be given up', () => {
    const { own, seen, grant } = pipes(WANTED);
    const taken = [own.take(), own.take()];
    for (const pipe of taken) own.giveBack(pipe);
    expect(seen.open.size).toBe(4);
    own.closeSpare();
    expect(seen.open.size).toBe(0);
    grant.descriptors = 0;
    expect(own.take()).toBe(-1);
    expect(seen.small).toEqual([[0, 'EMFILE']]);
  });
});
