import type { Socket } from 'node:net';
import { expect, onTestFinished } from 'vitest';
import { aBackend, anEchoBackend, anEchoClient, aNamedBackend, ask, untilAnswered } from '../edge.ts';
import { anOwnDaemon, type OwnDaemon } from '../own-daemon.ts';
import { freePort, once, startTcpBackend } from '../sockets.ts';
import { until } from '../until.ts';
import type { SettingCases } from './cases.ts';

const FOR_EVER = '100000';
const BREAKER = {
  EDGEPROXY_CIRCUIT_BREAKER_ENABLED: 'true',
  EDGEPROXY_CIRCUIT_FAILURE_THRESHOLD: '3',
  EDGEPROXY_CIRCUIT_TIMEOUT_SECS: FOR_EVER,
  EDGEPROXY_CONNECT_ATTEMPTS: '1',
};
const CHECKS = {
  EDGEPROXY_HEALTH_CHECK_ENABLED: 'true',
  EDGEPROXY_HEALTH_CHECK_INTERVAL_SECS: '1',
  EDGEPROXY_HEALTH_UNHEALTHY_THRESHOLD: '1',
  EDGEPROXY_HEALTH_HEALTHY_THRESHOLD: '1',
};

const OPEN = 2;
const circuitOf = (daemon: OwnDaemon) => daemon.metric('edgeproxy_circuit_state{backend="a"}');
const healthOf = (daemon: OwnDaemon) => daemon.metric('edgeproxy_backend_healthy{backend="a"}');
const activeOf = (daemon: OwnDaemon) => daemon.metric('edgeproxy_connections_active');

/** A daemon whose only backend refuses. */
async function aRefusedDaemon(env: Readonly<Record<string, string>>) {
  const port = await freePort();
  return { port, daemon: await anOwnDaemon({ env: { ...BREAKER, ...env }, backends: [{ id: 'a', port }] }) };
}

async function askTimes(daemon: OwnDaemon, times: number): Promise<void> {
  for (let time = 0; time < times; time++) await ask(daemon.port);
}

async function untilCircuit(daemon: OwnDaemon, state: number): Promise<void> {
  await until(async () => (await circuitOf(daemon)) === state, { what: `a circuit in the state ${state}` });
}

async function untilHealth(daemon: OwnDaemon, isHealthy: boolean): Promise<void> {
  await until(async () => (await healthOf(daemon)) === Number(isHealthy), { what: 'the verdict' });
}

/** A backend that answers HTTP by path, and counts who asks. */
async function anHttpBackend(statusOf: (path: string) => number) {
  const paths: string[] = [];
  const backend = await aBackend((socket) =>
    socket.once('data', (head) => {
      const path = String(head).split(' ')[1]!;
      paths.push(path);
      socket.end(`HTTP/1.1 ${statusOf(path)} X\r\ncontent-length: 0\r\n\r\n`);
    }),
  );
  return { port: backend.port, paths };
}

async function aCheckedDaemon(
  env: Readonly<Record<string, string>>,
  statusOf: (path: string) => number = () => 200,
) {
  const backend = await anHttpBackend(statusOf);
  const daemon = await anOwnDaemon({
    env: { ...CHECKS, EDGEPROXY_HEALTH_CHECK_TYPE: 'http', ...env },
    backends: [{ id: 'a', port: backend.port }],
  });
  return { daemon, ...backend };
}

/** A daemon with a client at a backend that has been taken out of the list since. */
async function aDrainingDaemon(drainSecs: string) {
  const backend = await anEchoBackend();
  const env = { EDGEPROXY_DRAIN_TIMEOUT_SECS: drainSecs };
  const daemon = await anOwnDaemon({ env, backends: [{ id: 'a', port: backend.port }] });
  const client = await anEchoClient(daemon.port);
  await daemon.change({ backends: [] });
  return { daemon, client };
}

export const FLEET_CASES: SettingCases = {
  async drain_timeout_secs() {
    const { daemon, client } = await aDrainingDaemon(FOR_EVER);
    const closed = once(client, 'close').catch((error: Error) => error);
    await daemon.change({ env: { EDGEPROXY_DRAIN_TIMEOUT_SECS: '0' } });
    await closed;
  },

  async 'circuit_breaker.enabled'() {
    const { daemon } = await aRefusedDaemon({ EDGEPROXY_CIRCUIT_BREAKER_ENABLED: 'false' });
    await askTimes(daemon, 5);
    expect(await circuitOf(daemon)).toBeUndefined();
    await daemon.change({ env: { EDGEPROXY_CIRCUIT_BREAKER_ENABLED: 'true' } });
    await askTimes(daemon, 3);
    await untilCircuit(daemon, OPEN);
    await daemon.change({ env: { EDGEPROXY_CIRCUIT_BREAKER_ENABLED: 'false' } });
    expect(await circuitOf(daemon)).toBeUndefined();
  },

  async 'circuit_breaker.failure_threshold'() {
    const { daemon } = await aRefusedDaemon({ EDGEPROXY_CIRCUIT_FAILURE_THRESHOLD: '100' });
    await askTimes(daemon, 5);
    expect(await circuitOf(daemon)).toBe(0);
    await daemon.change({ env: { EDGEPROXY_CIRCUIT_FAILURE_THRESHOLD: '5' } });
    await untilCircuit(daemon, OPEN);
  },

  async 'circuit_breaker.success_threshold'() {
    const { daemon, port } = await aRefusedDaemon({
      EDGEPROXY_CIRCUIT_TIMEOUT_SECS: '1',
      EDGEPROXY_CIRCUIT_SUCCESS_THRESHOLD: '100',
    });
    await askTimes(daemon, 3);
    await aBackendAt(port, (socket) => socket.end('welcome'));
    await until(async () => (await ask(daemon.port)) === 'welcome', { what: 'a trial' });
    expect(await circuitOf(daemon)).toBe(1);
    await daemon.change({ env: { EDGEPROXY_CIRCUIT_SUCCESS_THRESHOLD: '1' } });
    await untilCircuit(daemon, 0);
  },

  async 'circuit_breaker.timeout_secs'() {
    const { daemon } = await aRefusedDaemon({});
    await askTimes(daemon, 3);
    await untilCircuit(daemon, OPEN);
    await daemon.change({ env: { EDGEPROXY_CIRCUIT_TIMEOUT_SECS: '1' } });
    await untilCircuit(daemon, 1);
  },

  async 'circuit_breaker.lease_secs'() {
    const { daemon, port } = await aRefusedDaemon({
      EDGEPROXY_CIRCUIT_TIMEOUT_SECS: '1',
      EDGEPROXY_CIRCUIT_SUCCESS_THRESHOLD: '1',
      EDGEPROXY_CIRCUIT_LEASE_SECS: FOR_EVER,
    });
    await askTimes(daemon, 3);
    const backend = await aBackendAt(port, () => {});
    const trials = (count: number) =>
      until(
        () => {
          void ask(daemon.port).catch(() => '');
          return backend.connections >= count;
        },
        { what: `${count} silent trials` },
      );
    await trials(1);
    await daemon.change({ env: { EDGEPROXY_CIRCUIT_LEASE_SECS: '1' } });
    await trials(2);
  },

  async 'health_check.enabled'() {
    const { daemon, paths } = await aCheckedDaemon({ EDGEPROXY_HEALTH_CHECK_ENABLED: 'false' }, () => 500);
    expect(paths).toEqual([]);
    await daemon.change({ env: { EDGEPROXY_HEALTH_CHECK_ENABLED: 'true' } });
    await untilHealth(daemon, false);
    await daemon.change({ env: { EDGEPROXY_HEALTH_CHECK_ENABLED: 'false' } });
    await until(async () => (await daemon.metric('edgeproxy_backends_eligible')) === 1, {
      what: 'the backend',
    });
  },

  async 'health_check.interval_secs'() {
    const { daemon, paths } = await aCheckedDaemon({ EDGEPROXY_HEALTH_CHECK_INTERVAL_SECS: FOR_EVER });
    await until(() => paths.length === 1, { what: 'the first probe' });
    await daemon.change({ env: { EDGEPROXY_HEALTH_CHECK_INTERVAL_SECS: '1' } });
    await until(() => paths.length === 2, { what: 'the next one' });
  },

  async 'health_check.timeout_secs'() {
    const backend = await aBackend((socket) =>
      socket.once('data', () => {
        const answer = setTimeout(() => socket.end('HTTP/1.1 200 OK\r\n\r\n'), 1_500);
        socket.once('close', () => clearTimeout(answer));
      }),
    );
    const daemon = await anOwnDaemon({
      env: { ...CHECKS, EDGEPROXY_HEALTH_CHECK_TYPE: 'http', EDGEPROXY_HEALTH_CHECK_TIMEOUT_SECS: FOR_EVER },
      backends: [{ id: 'a', port: backend.port }],
    });
    await untilHealth(daemon, true);
    await daemon.change({ env: { EDGEPROXY_HEALTH_CHECK_TIMEOUT_SECS: '1' } });
    await untilHealth(daemon, false);
  },

  async 'health_check.type'() {
    const { daemon } = await aCheckedDaemon({ EDGEPROXY_HEALTH_CHECK_TYPE: 'tcp' }, () => 500);
    await untilHealth(daemon, true);
    await daemon.change({ env: { EDGEPROXY_HEALTH_CHECK_TYPE: 'http' } });
    await untilHealth(daemon, false);
  },

  async 'health_check.path'() {
    const { daemon } = await aCheckedDaemon({}, (path) => (path === '/up' ? 200 : 404));
    await untilHealth(daemon, false);
    await daemon.change({ env: { EDGEPROXY_HEALTH_CHECK_PATH: '/up' } });
    await untilHealth(daemon, true);
  },

  async 'health_check.expected_status'() {
    const { daemon } = await aCheckedDaemon({}, () => 204);
    await untilHealth(daemon, false);
    await daemon.change({ env: { EDGEPROXY_HEALTH_CHECK_EXPECTED_STATUS: '204' } });
    await untilHealth(daemon, true);
  },

  async 'health_check.healthy_threshold'() {
    const { daemon, paths } = await aCheckedDaemon({ EDGEPROXY_HEALTH_HEALTHY_THRESHOLD: FOR_EVER });
    await until(() => paths.length === 1, { what: 'a probe' });
    expect(await healthOf(daemon)).toBe(-1);
    await daemon.change({ env: { EDGEPROXY_HEALTH_HEALTHY_THRESHOLD: '1' } });
    await untilHealth(daemon, true);
  },

  async 'health_check.unhealthy_threshold'() {
    let status = 200;
    const { daemon, paths } = await aCheckedDaemon(
      { EDGEPROXY_HEALTH_UNHEALTHY_THRESHOLD: FOR_EVER },
      () => status,
    );
    await untilHealth(daemon, true);
    status = 500;
    const before = paths.length;
    await until(() => paths.length > before, { what: 'a probe' });
    await daemon.change({ env: { EDGEPROXY_HEALTH_UNHEALTHY_THRESHOLD: '1' } });
    await untilHealth(daemon, false);
  },

  async 'health_check.max_in_flight'() {
    const backend = await aBackend(() => {});
    const daemon = await anOwnDaemon({
      env: {
        ...CHECKS,
        EDGEPROXY_HEALTH_CHECK_TYPE: 'http',
        EDGEPROXY_HEALTH_CHECK_TIMEOUT_SECS: '100',
        EDGEPROXY_HEALTH_CHECK_MAX_IN_FLIGHT: '1',
      },
      backends: ['a', 'b', 'c'].map((id) => ({ id, port: backend.port })),
    });
    await until(() => backend.connections === 1, { what: 'one probe' });
    await daemon.change({ env: { EDGEPROXY_HEALTH_CHECK_MAX_IN_FLIGHT: '3' } });
    await until(() => backend.connections === 3, { what: 'all three' });
  },

  async 'health_check.initial'() {
    const { daemon } = await aCheckedDaemon({ EDGEPROXY_HEALTH_HEALTHY_THRESHOLD: FOR_EVER });
    expect(await daemon.metric('edgeproxy_backends_eligible')).toBe(1);
    await daemon.change({ env: { EDGEPROXY_HEALTH_CHECK_INITIAL: 'unhealthy' } });
    await until(async () => (await daemon.metric('edgeproxy_backends_eligible')) === 0, {
      what: 'it to be out',
    });
  },

  async 'health_check.on_down'() {
    const backend = await anEchoBackend();
    const daemon = await anOwnDaemon({ env: CHECKS, backends: [{ id: 'a', port: backend.port }] });
    const client = await anEchoClient(daemon.port);
    await daemon.change({
      env: { EDGEPROXY_HEALTH_CHECK_TYPE: 'http', EDGEPROXY_HEALTH_CHECK_TIMEOUT_SECS: '1' },
    });
    await untilHealth(daemon, false);
    expect(await activeOf(daemon)).toBe(1);
    const closed = once(client, 'close').catch((error: Error) => error);
    await daemon.change({ env: { EDGEPROXY_HEALTH_CHECK_ON_DOWN: 'cut' } });
    await closed;
  },

  async panic_threshold_percent() {
    const { daemon } = await aCheckedDaemon({}, () => 500);
    await untilHealth(daemon, false);
    await until(async () => (await ask(daemon.port)) === '', { what: 'a refusal' });
    await daemon.change({ env: { EDGEPROXY_PANIC_THRESHOLD_PERCENT: '100' } });
    await until(async () => (await daemon.metric('edgeproxy_backends_eligible')) === 1, {
      what: 'it to be back',
    });
  },

  async backends() {
    const [one, other] = [await aNamedBackend('one'), await aNamedBackend('other')];
    const daemon = await anOwnDaemon({ backends: [{ id: 'a', port: one.port }] });
    await untilAnswered(daemon.port, 'one');
    await daemon.change({
      backends: [
        { id: 'a', port: one.port, more: 'weight = 0' },
        { id: 'b', port: other.port },
      ],
    });
    await untilAnswered(daemon.port, 'other');
    await daemon.change({ backends: [] });
    await untilAnswered(daemon.port, '');
  },
};

async function aBackendAt(port: number, onConnection: (socket: Socket) => void) {
  const backend = await startTcpBackend(onConnection, { port });
  onTestFinished(() => backend.close());
  return backend;
}
