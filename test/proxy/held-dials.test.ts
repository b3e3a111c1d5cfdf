import { describe, expect, it } from 'vitest';
import { HeldDials } from '../../src/proxy/epoll/held-dials.ts';
import { CELL, FLAG, newSocketTableMemory, SocketTable } from '../../src/proxy/epoll/socket-table.ts';
import type { WarmSockets } from '../../src/proxy/epoll/warm-sockets.ts';

describe('HeldDials', () => {
  it('goes on with each once there is room at its backend, and not with one that has ended meanwhile', () => {
    const table = new SocketTable(newSocketTableMemory(8));
    const roomAt = new Set<number>();
    const warm = { makesRoom: (tenancy: number) => roomAt.has(tenancy) } as WarmSockets;
    const gone: number[] = [];
    const held = new HeldDials({ table, warm, onRoom: (fd) => gone.push(fd) });
    expect(held.lookMs).toBe(Infinity);
    for (const fd of [3, 4, 5]) {
      table.open(fd, FLAG.OPEN | FLAG.CONNECTING | FLAG.HELD);
      table.set(fd, CELL.TENANCY, fd);
      held.add(fd);
    }
    held.look();
    expect([gone, held.lookMs]).toEqual([[], 1]);
    // Its number is another connection's by now.
    table.forget(4);
    table.open(4, FLAG.OPEN);
    for (const tenancy of [4, 5]) roomAt.add(tenancy);
    held.look();
    expect(gone).toEqual([5]);
    roomAt.add(3);
    held.look();
    held.look();
    expect([gone, held.lookMs]).toEqual([[5, 3], Infinity]);
  });
});
