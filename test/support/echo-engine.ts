import type { Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { aBackend } from './backends.ts';
import type { EngineKind, EngineOptions } from './engines.ts';
import { isServed, startTcpBackend, tcpConnect } from './sockets.ts';

/** An engine before an echo backend, until the running test ends. */
export async function anEchoEngine(kind: EngineKind, options: Partial<EngineOptions> = {}, hardLimit = 0) {
  const backend = await startTcpBackend((socket) => void socket.pipe(socket), { allowHalfOpen: true });
  onTestFinished(() => backend.close());
  const running = await kind.start([aBackend({ port: backend.port, hardLimit })], options);
  onTestFinished(() => running.engine.close(0));
  const connect = async (localAddress?: string, port = running.port): Promise<Socket> => {
    const client = await tcpConnect(port, '127.0.0.1', { allowHalfOpen: true, localAddress });
    onTestFinished(() => void client.destroy());
    return client;
  };
  return {
    ...running,
    backend,
    connect,
    refused: () => running.traffic.report().refused,
    /** A client that is served, or nothing. */
    enter: async (localAddress?: string, port?: number): Promise<Socket | undefined> => {
      const client = await connect(localAddress, port);
      return (await isServed(client)) ? client : undefined;
    },
  };
}
