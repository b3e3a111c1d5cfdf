import { createServer, type Server } from 'node:net';
import { listenError } from '../../domain/listen-error.ts';
import type { ListenAddress } from '../../domain/ports.ts';
import { EdgeProxyError } from '../../errors.ts';

/** Clients that may wait to be accepted. */
export const BACKLOG = 4_096;

/**
 * A server that listens, and leaves its sockets alone. Fails with `ERR_LISTEN`.
 *
 * @param setting that gives the address
 * @param sharesPort whether others may listen there that want to share it, too
 * @param isTooLate whether nobody is to be accepted any more once it listens
 */
export function listenOn(
  address: ListenAddress,
  setting: string,
  sharesPort: boolean,
  isTooLate: () => boolean,
): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenError(setting, address, error)));
    server.listen({ ...address, backlog: BACKLOG, reusePort: sharesPort }, () => {
      server.removeAllListeners('error');
      if (!isTooLate()) return resolve(server);
      server.close();
      reject(new EdgeProxyError('ERR_LISTEN', 'no client is accepted any more'));
    });
  });
}
