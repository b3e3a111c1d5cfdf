import { once as nodeOnce, type EventEmitter } from 'node:events';
import { get } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';

export { freePort } from '../../src/adapters/embedded-postgres/free-port.ts';

const LOCALHOST = '127.0.0.1';

export interface ListenOptions {
  /** Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** 0 or absent picks a free one. */
  readonly port?: number | undefined;
}

export interface TcpBackend {
  readonly host: string;
  readonly port: number;
  /** Connections accepted so far. */
  readonly connections: number;
  /** The live ones, oldest first. */
  readonly sockets: readonly Socket[];
  /** Stops listening and destroys every live socket. May be called again. */
  close(): Promise<void>;
}

/** Starts a TCP server; a reset by the peer does not end the test process. `allowHalfOpen` is off by default. */
export async function startTcpBackend(
  onConnection: (socket: Socket) => void,
  options: ListenOptions & { readonly allowHalfOpen?: boolean | undefined } = {},
): Promise<TcpBackend> {
  const { host = LOCALHOST, allowHalfOpen = false } = options;
  const live = new Set<Socket>();
  let connections = 0;
  const server = createServer({ allowHalfOpen, noDelay: true }, (socket) => {
    connections += 1;
    live.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => live.delete(socket));
    onConnection(socket);
  });
  const port = await listen(server, { ...options, host });
  return {
    host,
    port,
    get connections() {
      return connections;
    },
    get sockets() {
      return [...live];
    },
    close() {
      const closed = closeServer(server);
      for (const socket of live) socket.destroy();
      return closed;
    },
  };
}

export interface ConnectOptions {
  /** The address to come from, such as 127.0.0.2. */
  readonly localAddress?: string | undefined;
  readonly allowHalfOpen?: boolean | undefined;
}

/** Connects; a later reset does not end the test process, `readAll` and `once` report it. */
export async function tcpConnect(
  port: number,
  host = LOCALHOST,
  options: ConnectOptions = {},
): Promise<Socket> {
  const { localAddress, allowHalfOpen = false } = options;
  const socket = connect({
    port,
    host,
    allowHalfOpen,
    ...(localAddress === undefined ? {} : { localAddress }),
  });
  socket.on('error', () => {});
  await nodeOnce(socket, 'connect');
  return socket;
}

/** Resolves when nobody listens any more; who still gets in leaves at once. */
export async function untilRefused(port: number): Promise<void> {
  for (;;) {
    const attempt = await tcpConnect(port).catch((error: NodeJS.ErrnoException) => error.code);
    if (attempt === 'ECONNREFUSED') return;
    if (typeof attempt === 'object') attempt.destroy();
  }
}

/** Everything that comes until the peer's FIN; rejects when the connection breaks before that. */
export function readAll(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const fail = () => reject(socket.errored ?? new Error('the connection was closed before its end'));
    const done = () => resolve(Buffer.concat(chunks));
    if (socket.readableEnded) return done();
    if (socket.destroyed) return fail();
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.once('end', done);
    socket.once('error', fail);
    socket.once('close', fail);
  });
}

/** Whether an echo comes back; a client whose connection has ended gets none. */
export function isServed(client: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const done = (isAnswered: boolean) => (): void => {
      for (const [event, listener] of Object.entries(listeners)) client.off(event, listener);
      resolve(isAnswered);
    };
    const listeners = { data: done(true), end: done(false), close: done(false) };
    if (client.readableEnded || client.destroyed) return resolve(false);
    for (const [event, listener] of Object.entries(listeners)) client.on(event, listener);
    client.write('y');
  });
}

/** Resolves with the arguments of the next `event`; rejects when `error` comes first. */
export function once(emitter: EventEmitter, event: string): Promise<readonly unknown[]> {
  return nodeOnce(emitter, event);
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** One GET over a connection of its own; rejects when that breaks before the answer is complete. */
export function httpGet(
  port: number,
  path = '/',
  options: { readonly host?: string | undefined; readonly localAddress?: string | undefined } = {},
): Promise<HttpAnswer> {
  const { host = LOCALHOST, localAddress } = options;
  return new Promise((resolve, reject) => {
    const source = localAddress === undefined ? {} : { localAddress };
    const request = get({ host, port, path, agent: false, headers: { connection: 'close' }, ...source });
    request.once('error', reject);
    request.once('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }),
      );
    });
  });
}

async function listen(server: Server, { host, port = 0 }: ListenOptions): Promise<number> {
  server.listen({ host, port });
  await nodeOnce(server, 'listening');
  const address = server.address();
  if (typeof address === 'object' && address !== null) return address.port;
  throw new Error('the server has no TCP address');
}

function closeServer(server: Server): Promise<void> {
  // The only error of close() is that the server is closed already.
  return new Promise((resolve) => server.close(() => resolve()));
}
