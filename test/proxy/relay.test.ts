import { describe, expect, it } from 'vitest';
import { Relay, type RelayHooks } from '../../src/proxy/relay.ts';
import { FakeWire } from '../support/fake-wire.ts';

const ignore = (): void => {};
const HOOKS: RelayHooks = {
  sent: ignore,
  received: ignore,
  answered: ignore,
  endedSilently: ignore,
  clientBroke: ignore,
  leftUnused: ignore,
  wasStale: ignore,
};

describe('Relay', () => {
  it('hands an end on once that it is told of twice: by the relay before it, and by the wire', () => {
    const [client, backend] = [new FakeWire(), new FakeWire()];
    const relay = new Relay(client, backend, HOOKS, () => 0);
    relay.open({ header: new Uint8Array(), surplus: new Uint8Array(1), hasEnded: true });
    relay.ended(client);
    expect(backend.endings).toEqual(['fin']);
    expect(relay.isOver).toBe(false);
  });
});
