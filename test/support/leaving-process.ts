import { aBackend } from './backends.ts';
import { addonEngine } from './engines.ts';
import { once, tcpConnect } from './sockets.ts';

/**
 * A process whose data threads wait in `epoll_wait` with a client each, and which then leaves as its argument says.
 *
 *     node leaving-process.ts exit|throw|reject BACKEND_PORT
 */
const [how, backendPort] = process.argv.slice(2);
const { port } = await addonEngine.start([aBackend({ port: Number(backendPort) })], { threads: 2 });
for (let client = 0; client < 4; client++) {
  const socket = await tcpConnect(port);
  socket.write('hello');
  await once(socket, 'data');
}
if (how === 'exit') process.exit(7);
else if (how === 'throw')
  setImmediate(() => {
    throw new Error('nobody catches this');
  });
else void Promise.reject(new Error('nobody catches this'));
