import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * An HTTP server in a process of its own that answers with its name: `node http-backend-process.ts NAME PLACES`.
 *
 * On SIGTERM it stops listening and finishes what it has. It does so when it holds PLACES requests without an answer:
 * where a client has no more places than that, no connection can be in the accept queue of the kernel then, and
 * closing a listener resets those, which is nobody's fault but the server's.
 */
const [, , name, places] = process.argv;
const held: ServerResponse[] = [];
let isStopping = false;

const server = createServer((_request, response) => {
  if (!isStopping) {
    response.end(name);
    return;
  }
  held.push(response);
  if (held.length < Number(places)) return;
  server.close();
  for (const waiting of held.splice(0)) waiting.end(name);
});

process.on('SIGTERM', () => (isStopping = true));
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
