import { constants } from 'node:os';
import { describe, expect, it } from 'vitest';
import { EVERY_APP } from '../../src/proxy/apps.ts';
import { LoopClock } from '../../src/proxy/epoll/clock.ts';
import { Listeners } from '../../src/proxy/epoll/listeners.ts';
import { FLAG, newSocketTableMemory, SocketTable } from '../../src/proxy/epoll/socket-table.ts';
import type { Spare } from '../../src/proxy/epoll/spare.ts';
import { EPOLL } from '../../src/proxy/sys/constants.ts';
import type { Sys } from '../../src/proxy/sys/sys.ts';

const { EAGAIN, EBADF, ECONNABORTED, EMFILE, ENOMEM, EPROTO } = constants.errno;
const LISTENER = 20;
const OTHER = 21;
const CEILING = 100;
const BACKLOG = 300;
const AFTER_PAUSE_MS = 100;
const GRACE_MS = 50;

/** Listeners of a kernel whose answers to `accept` are given: errors of a kind that cannot be had at will. */
function listeners(answers: number[]) {
  const clock = new LoopClock();
  const table = new SocketTable(newSocketTableMemory(64));
  const seen = {
    clients: [] as number[],
    errors: [] as string[],
    closed: [] as number[],
    ends: 0,
    watched: new Map<number, number>(),
    lowestFree: 0,
    deaf: [] as number[],
    filterError: 0,
  };
  const sys = {
    addressOf: () => 0,
    accept: () => answers.shift() ?? -EAGAIN,
    setOptionAt: (fd: number) => (seen.deaf.push(fd), seen.filterError),
    close: (fd: number) => seen.closed.push(fd),
    epollControl(_: number, operation: number, fd: number, events: number) {
      if (operation === EPOLL.DELETE) seen.watched.delete(fd);
      else seen.watched.set(fd, events);
      return 0;
    },
  };
  const own = new Listeners({
    sys: sys as unknown as Sys,
    epoll: 0,
    clock,
    table,
    spare: { restore: () => 0, renew: () => seen.lowestFree } as unknown as Spare,
    descriptors: { clientCeiling: CEILING },
    backlog: BACKLOG,
    onClient: (fd) => void seen.clients.push(fd),
    onExhausted: (error) => void seen.errors.push(error),
    onClosed: () => void seen.ends++,
  });
  own.adopt(LISTENER, EVERY_APP);
  const wait = (): void => {
    clock.tick += AFTER_PAUSE_MS;
    own.run();
  };
  return { own, table, clock, seen, wait };
}

describe('the listeners of a thread', () => {
  it.each([ECONNABORTED, EPROTO])('go on after a client whose network has failed (%i)', (errno) => {
    const { own, seen } = listeners([7, -errno, 8]);
    own.accept(LISTENER);
    expect(seen).toMatchObject({ clients: [7, 8], errors: [] });
  });

  it.each([
    [EMFILE, 'EMFILE'],
    [ENOMEM, 'ENOMEM'],
  ])('rest when the machine has run out (%i), and go on', (errno, name) => {
    const { own, seen, wait } = listeners([7, -errno, 8]);
    own.accept(LISTENER);
    expect(seen).toMatchObject({ clients: [7], errors: [name] });
    expect(seen.watched.get(LISTENER)).toBe(0);
    seen.lowestFree = -errno;
    wait();
    expect(seen.watched.get(LISTENER)).toBe(0);
    seen.lowestFree = CEILING - 1;
    wait();
    expect(seen.watched.get(LISTENER)).toBe(EPOLL.IN);
    own.accept(LISTENER);
    expect(seen.clients).toEqual([7, 8]);
  });

  it('rest at the ceiling, as long as no number below it is free', () => {
    const { own, seen, wait } = listeners([CEILING - 1, CEILING, 8]);
    own.accept(LISTENER);
    expect(seen.clients).toEqual([CEILING - 1, CEILING]);
    expect(seen.errors).toEqual(['the last descriptors are kept for the daemon itself']);
    seen.lowestFree = CEILING;
    wait();
    expect(seen.watched.get(LISTENER)).toBe(0);
    seen.lowestFree = CEILING - 1;
    wait();
    expect(seen.watched.get(LISTENER)).toBe(EPOLL.IN);
  });

  it('throw what nobody but this program can have caused', () => {
    const { own } = listeners([-EBADF]);
    expect(() => own.accept(LISTENER)).toThrow('accept4: EBADF');
  });

  it('accept who has come, then close, and only then say so', () => {
    const { own, seen, table } = listeners([7, 8, -EAGAIN, 9]);
    own.close();
    expect(seen).toMatchObject({ clients: [7, 8], closed: [LISTENER], ends: 1 });
    expect([own.has(LISTENER), table.flagsOf(LISTENER)]).toEqual([false, 0]);
  });

  it('accept no more than can have waited, when clients come all the time', () => {
    const { own, seen } = listeners(Array.from({ length: 10_000 }, () => 7));
    own.close();
    expect(seen).toMatchObject({ closed: [LISTENER], ends: 1 });
    expect(seen.clients.length).toBeGreaterThanOrEqual(BACKLOG);
    expect(seen.clients.length).toBeLessThan(BACKLOG + 64);
  });

  it('close no queue whose clients wait for a descriptor, unless they are told to', () => {
    const script = [7, -EMFILE, 8, -EMFILE];
    const { own, seen, table, wait } = listeners(script);
    own.close();
    expect(seen).toMatchObject({ clients: [7], closed: [], ends: 0 });
    // Whoever buries the thread closes it.
    expect(table.has(LISTENER, FLAG.HELPER)).toBe(true);
    wait();
    expect(seen).toMatchObject({ clients: [7, 8], closed: [], ends: 0 });
    own.abandon();
    expect(seen).toMatchObject({ closed: [LISTENER], ends: 1 });
    own.abandon();
    expect(seen).toMatchObject({ closed: [LISTENER], ends: 1 });
  });

  it('accept the rest of such a queue, then close it', () => {
    const { own, seen, wait } = listeners([-EMFILE, 8]);
    own.close();
    wait();
    expect(seen).toMatchObject({ clients: [8], closed: [LISTENER], ends: 1 });
  });

  it('tell that they are closed when there were none', () => {
    const { own, seen } = listeners([]);
    own.release(LISTENER);
    own.close();
    expect(seen.ends).toBe(1);
  });

  it('serve who has come to one that is replaced on its port, close it, and go on with the others', () => {
    const { own, table, seen } = listeners([7, 8]);
    own.adopt(OTHER, EVERY_APP);
    own.retire(LISTENER, true);
    expect(seen).toMatchObject({ clients: [7, 8], closed: [LISTENER], ends: 0 });
    expect([own.has(LISTENER), own.has(OTHER), table.has(LISTENER, FLAG.HELPER)]).toEqual([
      false,
      true,
      false,
    ]);
    own.close();
    expect(seen).toMatchObject({ closed: [LISTENER, OTHER], ends: 1 });
  });

  it('close one that is replaced when the machine has room again for who has come to it', () => {
    const { own, table, seen, wait } = listeners([7, -EMFILE, 8]);
    own.retire(LISTENER, true);
    expect(seen).toMatchObject({ clients: [7], closed: [] });
    expect(table.has(LISTENER, FLAG.HELPER)).toBe(true);
    wait();
    expect(seen).toMatchObject({ clients: [7, 8], closed: [LISTENER], ends: 0 });
  });

  it('let handshakes be completed with one that is replaced elsewhere, before it is closed', () => {
    const { own, table, clock, seen } = listeners([7, -EAGAIN, 8, -EAGAIN, 9]);
    own.retire(LISTENER, false);
    expect(seen).toMatchObject({ deaf: [LISTENER], clients: [], closed: [] });
    expect(table.has(LISTENER, FLAG.HELPER)).toBe(true);
    expect(own.nextMs()).toBe(GRACE_MS);
    own.accept(LISTENER);
    clock.tick += GRACE_MS - 1;
    own.run();
    expect(seen).toMatchObject({ clients: [7], closed: [] });
    expect(own.nextMs()).toBe(1);
    clock.tick += 1;
    own.run();
    expect(seen).toMatchObject({ clients: [7, 8], closed: [LISTENER], ends: 0 });
    expect(own.nextMs()).toBe(-1);
  });

  it('close one at once that cannot be made deaf', () => {
    const { own, seen } = listeners([7]);
    seen.filterError = -ENOMEM;
    own.retire(LISTENER, false);
    expect(seen).toMatchObject({ clients: [7], closed: [LISTENER] });
  });

  it('close a deaf one with all others', () => {
    const { own, seen } = listeners([7]);
    own.adopt(OTHER, EVERY_APP);
    own.retire(LISTENER, false);
    own.close();
    expect(seen).toMatchObject({ clients: [7], closed: [LISTENER, OTHER], ends: 1 });
    expect(own.nextMs()).toBe(-1);
  });
});
