import { connect } from 'node:net';
import { once } from '../support/sockets.ts';
import { Peer } from './peer.ts';
import type { Random } from './random.ts';
import type { Streams } from './streams.ts';

/** A client of the engine, or the code of the error that kept it from connecting. */
export async function connectClient(port: number, streams: Streams, random: Random): Promise<Peer | string> {
  const localAddress = `127.0.0.${random.int(1, 100)}`;
  const noDelay = random.chance(0.5);
  const socket = connect({ port, host: '127.0.0.1', localAddress, allowHalfOpen: true, noDelay });
  const peer = new Peer('client', socket, streams, random);
  try {
    await once(socket, 'connect');
    return peer;
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code);
  }
}
