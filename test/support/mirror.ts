import { aBackend, aClient } from './edge.ts';
import { readAll, type TcpBackend } from './sockets.ts';

/** A backend that answers with all that it got until the end, in hexadecimal, to those who stay for it. */
export function aMirror(): Promise<TcpBackend> {
  return aBackend((socket) => {
    readAll(socket).then(
      (data) => socket.end(data.toString('hex')),
      () => socket.destroy(),
    );
  });
}

/** What a mirror has got of a client that says this and ends, and the port that it came from. */
export async function reflected(port: number, bytes: Uint8Array | string, localAddress: string) {
  const client = await aClient(port, { localAddress });
  const { localPort } = client;
  client.end(bytes);
  const answer = await readAll(client);
  return { received: Buffer.from(answer.toString(), 'hex'), localPort: localPort! };
}
