import { connect, type Socket } from 'node:net';
import { expect, onTestFinished } from 'vitest';
import { KILLERS } from './killers.ts';

/** A client that a thread dies of, which may be before the client has heard that it is connected. */
export async function aKiller(port: number, address: string = KILLERS.atOnce): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: address, allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  socket.on('error', (error) => expect(error).toMatchObject({ code: 'ECONNRESET' }));
  await new Promise<void>((resolve) => {
    socket.once('connect', resolve).once('close', () => resolve());
  });
  return socket;
}
