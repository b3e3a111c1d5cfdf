import { describe, expect, it } from 'vitest';
import { IpAddress } from '../../src/proxy/ip-address.ts';
import { AwaitedHello } from '../../src/proxy/net/awaited-hello.ts';
import { helloMessage, recordsOf, serverNameOf } from '../support/client-hello.ts';
import { FakeWire } from '../support/fake-wire.ts';

/** A greeting that is awaited, and what has become of it. */
function aGreeting() {
  const wire = new FakeWire();
  const said: string[] = [];
  const greeting = new AwaitedHello(wire, IpAddress.of('10.0.0.1'), {
    hello: { timeoutMs: 60_000 },
    now: () => 0,
    onHello: ({ serverName }) => said.push(`hello ${serverName}`),
    onRefused: () => said.push('refused'),
    onAborted: () => said.push('aborted'),
  });
  greeting.begin(undefined);
  return { wire, said, greeting, take: (bytes: Uint8Array) => wire.reader!.took(wire, bytes) };
}

describe('a greeting that is awaited', () => {
  it('is over once when it is ended more than once', () => {
    const { wire, said, greeting } = aGreeting();
    greeting.abort();
    greeting.abort();
    expect([said, wire.endings]).toEqual([['aborted'], ['close']]);
  });

  it('is not ended when its client has been refused', () => {
    const { wire, said, greeting, take } = aGreeting();
    take(Buffer.from('no greeting'));
    greeting.abort();
    expect([said, wire.endings]).toEqual([['refused'], ['close']]);
  });

  it('does not close the wire of a client that has gone on', () => {
    const { wire, said, greeting, take } = aGreeting();
    take(recordsOf(helloMessage([serverNameOf('edge.test')])));
    greeting.abort();
    expect([said, wire.endings]).toEqual([['hello edge.test'], []]);
  });
});
