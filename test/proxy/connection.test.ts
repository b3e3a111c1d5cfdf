import { describe, expect, it } from 'vitest';
import { EVERY_APP } from '../../src/proxy/apps.ts';
import { Connection } from '../../src/proxy/connection.ts';
import type { ConnectionOptions } from '../../src/proxy/connection-options.ts';
import { IpAddress } from '../../src/proxy/ip-address.ts';
import { aBackend } from '../support/backends.ts';
import { FakeWire } from '../support/fake-wire.ts';
import { silentLogger } from '../support/proxy.ts';

const ignore = (): void => {};

/** A connection that has been given a wire from the pool, at a backend that may be dialled again. */
function aPooledConnection() {
  const client = new FakeWire();
  const warm = new FakeWire();
  const dialled: FakeWire[] = [];
  let ended = 0;
  const options = {
    router: {
      table: { headers: [0] },
      enter: () => 0,
      rowOfTenancy: () => 0,
      mayRedial: () => true,
      connected: ignore,
      settle: ignore,
      leave: ignore,
    },
    slots: { at: () => ({ slot: 0, tenancy: 0, incarnation: 'b1', backend: aBackend() }) },
    warm: {
      take: () => ({ wire: warm, tenancy: 0, bornMs: 0, tookMs: 1 }),
      wasStale: ignore,
      makeRoom: ignore,
    },
    transport: {
      dial() {
        dialled.push(new FakeWire());
        return dialled.at(-1)!;
      },
    },
    counters: { connected: ignore, clientEnded: ignore },
    timeouts: { connectTimeoutMs: 5_000, connectAttempts: 3 },
    dialClock: { add: ignore, delete: ignore },
    lines: { of: () => ({ mustWait: false, remove: ignore }) },
    logger: silentLogger,
    now: () => 0,
    report: ignore,
    onEnded: () => ended++,
  } as unknown as ConnectionOptions;
  const connection = new Connection(
    client,
    { address: IpAddress.of('127.0.0.1'), app: EVERY_APP },
    undefined,
    options,
  );
  connection.begin();
  return { connection, client, warm, dialled, ended: () => ended };
}

describe('a connection whose wire from the pool is dead', () => {
  it('dials another one when that is closed', () => {
    const { client, warm, dialled, ended } = aPooledConnection();
    warm.reader!.ended(warm);
    expect([warm.endings, dialled.length]).toEqual([['close'], 0]);
    warm.holder!.closed(warm);
    expect([client.endings, dialled.length, ended()]).toEqual([[], 1, 0]);
  });

  it('dials none when it is ended before that', () => {
    const { connection, client, warm, dialled, ended } = aPooledConnection();
    warm.reader!.ended(warm);
    connection.abort();
    warm.holder!.closed(warm);
    expect([dialled.length, ended()]).toEqual([0, 0]);
    client.holder!.closed(client);
    expect(ended()).toBe(1);
  });
});
