import { describe, expect, it } from 'vitest';
import type { Wire } from '../../src/proxy/net/wire.ts';
import { Relay, type RelayHooks } from '../../src/proxy/relay.ts';

/** A wire that takes everything at once, and notes what ends it. */
function aWire(ends: string[]): Wire {
  const ignore = (): void => {};
  return {
    remoteAddress: undefined,
    ends: () => undefined,
    isBusy: false,
    hold: ignore,
    read: ignore,
    pause: ignore,
    resume: ignore,
    write: (bytes) => bytes.length,
    flush: ignore,
    progress: () => 0,
    fin: () => void ends.push('fin'),
    finish: () => void ends.push('finish'),
    close: () => void ends.push('close'),
    reset: () => void ends.push('reset'),
    keepAlive: ignore,
    isConnected: () => true,
  };
}

const ignore = (): void => {};
const HOOKS: RelayHooks = {
  sent: ignore,
  received: ignore,
  answered: ignore,
  leftSilently: ignore,
  brokeSilently: ignore,
  clientBroke: ignore,
  leftUnused: ignore,
  wasStale: ignore,
};

describe('Relay', () => {
  it('hands an end on once that it is told of twice: by the relay before it, and by the wire', () => {
    const ends: string[] = [];
    const client = aWire([]);
    const relay = new Relay(client, aWire(ends), HOOKS, () => 0);
    relay.open({ header: new Uint8Array(), surplus: new Uint8Array(1), hasEnded: true });
    relay.ended(client);
    expect(ends).toEqual(['fin']);
    expect(relay.isOver).toBe(false);
  });
});
