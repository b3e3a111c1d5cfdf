import { describe, expect, it } from 'vitest';
import { encodeV2 } from '../../src/domain/proxy-protocol/encode.ts';
import { newCountersMemory, Counters } from '../../src/proxy/counters.ts';
import { AGAIN } from '../../src/proxy/epoll/errno.ts';
import { HeaderWriter } from '../../src/proxy/epoll/header-writer.ts';
import { Parking } from '../../src/proxy/epoll/parking.ts';
import type { Relay } from '../../src/proxy/epoll/relay.ts';
import { CELL, FLAG, newSocketTableMemory, SocketTable } from '../../src/proxy/epoll/socket-table.ts';
import type { Sockets } from '../../src/proxy/epoll/sockets.ts';
import type { Sys } from '../../src/proxy/sys/sys.ts';
import { endpointsOf } from '../support/proxy-headers.ts';

const CLIENT = 5;
const BACKEND = 6;
const BROKEN_PIPE = -32;
const ENDPOINTS = endpointsOf('203.0.113.7', 50_000, '198.51.100.9', 443);
const HEADER = encodeV2(ENDPOINTS);

/** A connection whose kernel takes so much of a header. */
function aConnection(taken: number) {
  const buffers: ArrayBuffer[] = [];
  const sent: number[] = [];
  const calls: string[] = [];
  let takes = taken;
  const sys: Pick<Sys, 'addressOf' | 'send'> = {
    addressOf: (buffer) => buffers.push(buffer) - 1,
    send(fd, from, offset, length) {
      const count = Math.min(takes, length);
      if (count > 0) sent.push(...new Uint8Array(buffers[Number(from)]!, offset, count));
      expect(fd).toBe(BACKEND);
      takes = length;
      return count;
    },
  };
  const table = new SocketTable(newSocketTableMemory(16));
  table.open(CLIENT, FLAG.OPEN | FLAG.CLIENT);
  table.open(BACKEND, FLAG.OPEN | FLAG.TAKES_V2);
  const parking = new Parking(sys as Sys, 65_536);
  const counters = new Counters(newCountersMemory(1));
  const sockets = { awaitRoom: (fd: number) => void calls.push(`awaitRoom ${fd}`) };
  const relay = {
    errored: (fd: number) => void calls.push(`errored ${fd}`),
    pump: (fd: number) => void calls.push(`pump ${fd}`),
  };
  new HeaderWriter({
    sys: sys as Sys,
    table,
    sockets: sockets as Sockets,
    parking,
    relay: relay as Relay,
    counters,
  }).begin(CLIENT, BACKEND, { endpoints: ENDPOINTS, tlvs: new Uint8Array() });
  return { table, parking, counters, sent, calls };
}

describe('a header', () => {
  it('that the kernel takes holds nothing up', () => {
    const { table, counters, sent, calls } = aConnection(HEADER.length);
    expect(sent).toEqual([...HEADER]);
    expect([table.has(CLIENT, FLAG.BLOCKED), table.get(CLIENT, CELL.PARKED), calls]).toEqual([false, 0, []]);
    expect(counters.bytesSent[0]).toBe(HEADER.length);
  });

  it.each([1, 20, AGAIN])('of which it takes a part (%i) goes on ahead of the client', (taken) => {
    const { table, parking, counters, sent, calls } = aConnection(taken);
    expect(table.has(CLIENT, FLAG.BLOCKED)).toBe(true);
    expect(calls).toEqual([`awaitRoom ${BACKEND}`]);
    expect(counters.bytesSent[0]).toBe(Math.max(0, taken));
    const lot = table.get(CLIENT, CELL.PARKED) - 1;
    parking.send(lot, BACKEND);
    expect(parking.isEmpty(lot)).toBe(true);
    expect(sent).toEqual([...HEADER]);
  });

  it('that cannot be sent has the relay look what the backend has still said', () => {
    const { table, counters, calls } = aConnection(BROKEN_PIPE);
    expect(calls).toEqual([`errored ${BACKEND}`, `pump ${BACKEND}`]);
    expect([table.has(CLIENT, FLAG.BLOCKED), counters.bytesSent[0]]).toEqual([false, 0]);
  });
});
