import { createServer, type Server } from 'node:net';
import { listenError } from '../../domain/listen-error.ts';
import type { ListenAddress } from '../../domain/ports.ts';

/** Clients that may wait to be accepted. */
export const BACKLOG = 4_096;

export interface ListenOptions {
  readonly address: ListenAddress;
  /** Gives the address. */
  readonly setting: string;
  /** Others may listen there that want to share it, too. */
  readonly sharesPort: boolean;
}

/** A server that listens, and leaves its sockets alone. Fails with `ERR_LISTEN`. */
export function listenOn({ address, setting, sharesPort }: ListenOptions): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(setting, address, error)));
    server.listen({ ...address, backlog: BACKLOG, reusePort: sharesPort }, () => {
      server.removeAllListeners('error');
      resolve(server);
    });
  });
}
