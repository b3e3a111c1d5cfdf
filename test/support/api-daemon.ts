import type { DaemonAddresses } from '../../src/daemon.ts';
import type { DaemonProcess, DaemonStartOptions } from './daemon.ts';
import { aDaemon, NO_AFFINITY } from './edge.ts';
import { type ApiAsk, type ApiAnswered, askApi } from './registration.ts';
import { until } from './until.ts';

export interface ApiDaemon extends DaemonProcess {
  readonly apiPort: number;
  ask(path: string, ask?: ApiAsk): Promise<ApiAnswered>;
  /** Registers a backend on the loopback address; resolves with the status. */
  register(id: string, port: number, more?: object): Promise<number>;
  /** Resolves with the status. */
  beat(id: string): Promise<number>;
  deregister(id: string): Promise<number>;
}

/** A daemon with the registration API on a free port of the loopback address, without affinity. */
export async function anApiDaemon(options: DaemonStartOptions = {}): Promise<ApiDaemon> {
  const daemon = await aDaemon({
    ...options,
    env: {
      ...NO_AFFINITY,
      EDGEPROXY_API_ENABLED: 'true',
      EDGEPROXY_API_LISTEN_ADDR: '127.0.0.1:0',
      EDGEPROXY_API_MAX_REQUESTS: '100000',
      ...options.env,
    },
  });
  const { api } = (await daemon.log('accepting clients')) as unknown as DaemonAddresses;
  const apiPort = api!.port;
  const ask = (path: string, asked?: ApiAsk): Promise<ApiAnswered> => askApi(apiPort, path, asked);
  const statusOf = async (path: string, asked: ApiAsk): Promise<number> => (await ask(path, asked)).status;
  return {
    ...daemon,
    apiPort,
    ask,
    register: (id, port, more = {}) =>
      statusOf('/api/v1/register', {
        body: { id, app: 'test', region: 'sa', ip: '127.0.0.1', port, ...more },
      }),
    beat: (id) => statusOf(`/api/v1/heartbeat/${id}`, { method: 'POST' }),
    deregister: (id) => statusOf(`/api/v1/backends/${id}`, { method: 'DELETE' }),
  };
}

/** Awaits a line of the audit log about a backend. */
export async function untilChanged(daemon: DaemonProcess, change: string, backend: string): Promise<void> {
  await until(
    () =>
      daemon.logs.some(
        (line) =>
          line.msg === 'registration changed' && line['change'] === change && line['backend'] === backend,
      ),
    { what: `${backend} to be ${change}` },
  );
}
