import { createServer, type Socket } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { StreamWire } from '../../src/proxy/net/stream-wire.ts';
import { once, tcpConnect } from '../support/sockets.ts';
import { until } from '../support/until.ts';

/** A client, and the wire that nobody has read from at the other end. */
async function aClient() {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const { port } = server.address() as { readonly port: number };
  const client = await tcpConnect(port, '127.0.0.1');
  const [socket] = (await accepted) as [Socket];
  onTestFinished(() => void [client, socket].map((one) => one.destroy()));
  return { client, wire: new StreamWire(socket) };
}

it('is gone once its peer has ended without a word, unless that has said something before', async () => {
  const { client, wire } = await aClient();
  expect(wire.hasGone(false)).toBe(false);
  client.end();
  await until(() => wire.hasGone(false), { what: 'the end to be noticed' });
  expect(wire.hasGone(true)).toBe(false);
  wire.close();
  expect(wire.hasGone(true)).toBe(true);
});

it('is not gone when its peer has asked and then ended, and loses nothing of it', async () => {
  const { client, wire } = await aClient();
  client.end('asked');
  await until(() => !wire.hasGone(false) && wire.socket.readableLength === 5, {
    what: 'the bytes to be here',
  });
  expect(wire.hasGone(false)).toBe(false);
  expect(String(wire.socket.read())).toBe('asked');
});
