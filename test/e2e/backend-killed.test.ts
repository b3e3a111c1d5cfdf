import { expect, it } from 'vitest';
import { aBackendProcess } from '../support/backend-process.ts';
import { anEdge, NO_AFFINITY } from '../support/edge.ts';
import { startLoad } from '../support/load.ts';
import { httpGet, once, tcpConnect } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const CLIENTS = 32;
const PLACES = 8;

/** One HTTP request over a connection of its own, through the proxy. */
const request = (port: number) => async (): Promise<string> => (await httpGet(port)).body;

/** Three backend processes; the first is nearer than the others, so that it is full all the time under load. */
async function threeProcesses() {
  const backends = await Promise.all(['near', 'far-1', 'far-2'].map((name) => aBackendProcess(name, PLACES)));
  const [near, far1, far2] = backends;
  const { daemon } = await anEdge(
    [
      { id: 'near', port: near!.port, region: 'sa', hard_limit: PLACES },
      { id: 'far-1', port: far1!.port, region: 'eu' },
      { id: 'far-2', port: far2!.port, region: 'eu' },
    ],
    { env: NO_AFFINITY },
  );
  return { near: near!, far1: far1!, daemon };
}

it('shows clients no error when a backend stops listening under load', async () => {
  const { near, daemon } = await threeProcesses();
  const load = startLoad(CLIENTS, request(daemon.port));
  await until(() => load.servedBy.size === 3 && load.served > 300, { what: 'load at all backends' });
  near.kill('SIGTERM');
  expect(await near.exited).toBe(0);
  // Not all clients come to it: those that find its places taken by others that dial go on without an error.
  const errors = () => daemon.metric('edgeproxy_backend_errors_total{backend="near"}');
  await until(async () => ((await errors()) ?? 0) > 1_000, {
    what: 'a thousand clients to have met the backend that is gone',
  });
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(await daemon.metric('edgeproxy_connections_refused_total{reason="connect_failed"}')).toBe(0);
  expect(await daemon.metric('edgeproxy_connections_total')).toBe(load.served);
});

it('serves every connection made after a backend died under load', async () => {
  const { near, daemon } = await threeProcesses();
  const waiting = await Promise.all(Array.from({ length: 4 }, () => tcpConnect(daemon.port)));
  await until(
    async () => (await daemon.metric('edgeproxy_backend_connections_active{backend="near"}')) === 4,
    { what: 'connections open on the near backend' },
  );
  const endings = waiting.map((socket) => once(socket.resume(), 'close'));
  const load = startLoad(CLIENTS, request(daemon.port));
  await until(() => load.servedBy.size === 3 && load.served > 300, { what: 'load at all backends' });
  near.kill('SIGKILL');
  expect(await near.exited).toBe('SIGKILL');
  const diedMs = performance.now();
  await Promise.all(endings);
  const servedThen = load.served;
  await until(() => load.served > servedThen + 1_000, { what: 'the load to go on', timeoutMs: 30_000 });
  await load.stop();
  expect(load.failures.filter(({ startedMs }) => startedMs > diedMs)).toEqual([]);
  expect(load.failures.length).toBeLessThanOrEqual(PLACES);
});
