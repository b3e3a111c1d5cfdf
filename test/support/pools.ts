import type { Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Backend } from '../../src/domain/backend.ts';
import type { PoolSettings } from '../../src/domain/pool.ts';
import { aBackend } from './backends.ts';
import type { ENGINES, EngineOptions } from './engines.ts';
import { once, startTcpBackend, tcpConnect, type TcpBackend } from './sockets.ts';
import { until } from './until.ts';

export const LONG: PoolSettings = {
  maxPerBackend: 4,
  idleTimeoutMs: 60_000,
  maxLifetimeMs: 300_000,
  connectTimeoutMs: 5_000,
};

/** A backend that answers everything with the port that it comes from. */
export const answer = (socket: Socket): void =>
  void socket.on('data', (bytes) => socket.write(`${socket.remotePort} ${bytes.toString()}`));

type Start = (typeof ENGINES)[number]['start'];

/** An engine with a pool before one backend. */
export async function aPool(
  start: Start,
  pool: Partial<PoolSettings> = {},
  options: Partial<EngineOptions> = {},
  onConnection: (socket: Socket) => void = answer,
  fields: Partial<Backend> = {},
) {
  const backend = await startTcpBackend(onConnection);
  onTestFinished(() => backend.close());
  const row = aBackend({ port: backend.port, ...fields });
  // One thread: which of them has a client is left to the kernel.
  const running = await start([row], { threads: 1, pool: { ...LONG, ...pool }, ...options });
  onTestFinished(() => running.engine.close(0));
  const report = () => running.pool.report();
  const of = () => report().backends.find(({ backendId }) => backendId === row.id)!;
  const aClient = async (): Promise<Socket> => {
    const client = await tcpConnect(running.port, '127.0.0.1', { allowHalfOpen: true });
    onTestFinished(() => void client.destroy());
    return client;
  };
  return {
    ...running,
    row,
    backend,
    aClient,
    report,
    of,
    /** The port that the backend sees this client come from. */
    async portOf(this: void, client: Socket): Promise<number> {
      client.write('?');
      const [bytes] = await once(client, 'data');
      return Number(String(bytes).split(' ')[0]);
    },
  };
}

/** A pool with one warm connection at least, and no client. */
export async function aWarmPool(...given: Parameters<typeof aPool>) {
  const pool = await aPool(...given);
  const { backend, of } = pool;
  const first = await pool.aClient();
  const port = await pool.portOf(first);
  first.destroy();
  await until(() => of().warm > 0 && isWarmAlone(pool) && !portsOf(backend).includes(port), {
    what: 'warm connections',
  });
  return pool;
}

/** Whether the backend has accepted all that is warm, and nothing else. */
export function isWarmAlone({
  of,
  backend,
}: Pick<Awaited<ReturnType<typeof aPool>>, 'of' | 'backend'>): boolean {
  return backend.sockets.length === of().warm;
}

export const portsOf = (backend: TcpBackend): readonly number[] => backend.sockets.map((s) => s.remotePort!);
