import { Socket } from 'node:net';

/** The sockets of a pool or a session, so that its end does not depend on an answer of the server. */
export interface SocketSet {
  /** For the `stream` setting of a pg client: a new socket, held until it closes. */
  readonly create: () => Socket;
  /** Resolves when all have closed; those still open after `graceMs` are destroyed. */
  readonly settle: (graceMs: number) => Promise<void>;
}

export function createSocketSet(): SocketSet {
  const open = new Set<Socket>();
  return {
    create() {
      const socket = new Socket();
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      return socket;
    },
    async settle(graceMs) {
      const closed = [...open].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
      const timer = setTimeout(() => {
        for (const socket of open) socket.destroy();
      }, graceMs);
      await Promise.all(closed);
      clearTimeout(timer);
    },
  };
}
