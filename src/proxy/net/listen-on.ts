import { createServer, type Server } from 'node:net';
import { listenError } from '../../domain/listen-error.ts';
import type { ListenAddress } from '../../domain/ports.ts';

/** Clients that may wait to be accepted. */
export const BACKLOG = 4_096;

/** A server that listens, and leaves its sockets alone. Fails with `ERR_LISTEN`. @param setting gives the address */
export function listenOn(address: ListenAddress, setting: string): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(setting, address, error)));
    server.listen({ ...address, backlog: BACKLOG }, () => {
      server.removeAllListeners('error');
      resolve(server);
    });
  });
}
