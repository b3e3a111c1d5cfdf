import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const FIRST_PORT = 10_240;
const END_PORT = 32_768;
const RANDOM_PICKS = 20;

/**
 * A TCP port that nobody listens on at 127.0.0.1 right now.
 *
 * It lies below the ports that kernels give to outgoing connections. A server that is down and will come back
 * would otherwise lose its port to any client on the machine, even to the very client that retries it: TCP
 * connects a socket to itself when both ends draw the same port.
 */
export function freePort(): Promise<number> {
  return pickPort(RANDOM_PICKS);
}

function pickPort(picksLeft: number): Promise<number> {
  if (picksLeft === 0) return bindOnce(0);
  return bindOnce(randomInt(FIRST_PORT, END_PORT)).catch(() => pickPort(picksLeft - 1));
}

function bindOnce(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => {
        if (typeof address === 'object' && address !== null) resolve(address.port);
        else reject(new Error(`no TCP address for port ${port}`));
      });
    });
  });
}
