import { spawn } from 'node:child_process';
import { connect, type Socket } from 'node:net';
import { once } from './sockets.ts';

const FILLERS = 8;

// Blocks its event loop after listen(): the kernel completes handshakes until the queue is full, nobody accepts.
const LISTENER = `
  const server = require('node:net').createServer().listen({ host: '127.0.0.1', port: 0, backlog: 1 }, () => {
    require('node:fs').writeSync(1, String(server.address().port));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });`;

/** A loopback port whose accept queue is full: a connect to it is neither accepted nor refused. */
export async function startSilentPort(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const child = spawn(process.execPath, ['-e', LISTENER], { stdio: ['ignore', 'pipe', 'inherit'] });
  const fillers: Socket[] = [];
  const close = async (): Promise<void> => {
    const closed = once(child, 'close');
    for (const filler of fillers) filler.destroy();
    child.kill('SIGKILL');
    await closed;
  };
  try {
    const [text] = await once(child.stdout, 'data');
    const port = Number(String(text));
    while (fillers.length < FILLERS) fillers.push(connect(port, '127.0.0.1').on('error', () => {}));
    await once(fillers[0]!, 'connect');
    return { port, close };
  } catch (error) {
    await close();
    throw error;
  }
}
