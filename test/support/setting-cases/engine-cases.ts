import { writeFile } from 'node:fs/promises';
import { expect, onTestFinished } from 'vitest';
import { aBackend, anEchoBackend, anEchoClient, aNamedBackend, ask, exchange } from '../edge.ts';
import type { Env } from '../daemon.ts';
import { countryRecord, writeMmdb } from '../mmdb.ts';
import { anOwnDaemon, type OwnDaemon } from '../own-daemon.ts';
import { startSilentPort } from '../silent-port.ts';
import { freePort, once, tcpConnect, untilRefused } from '../sockets.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { until } from '../until.ts';
import type { SettingCases } from './cases.ts';

const FOR_EVER = '100000';
const ROOMY = 'hard_limit = 0';

const refusals = (daemon: OwnDaemon, reason: string) =>
  daemon.metric(`edgeproxy_connections_refused_total{reason="${reason}"}`);
const timeouts = (daemon: OwnDaemon, timeout: string) =>
  daemon.metric(`edgeproxy_connections_timed_out_total{timeout="${timeout}"}`);

async function untilRefusedFor(daemon: OwnDaemon, reason: string): Promise<void> {
  await until(async () => ((await refusals(daemon, reason)) ?? 0) > 0, { what: `a refusal: ${reason}` });
}

async function untilTimedOut(daemon: OwnDaemon, timeout: string): Promise<void> {
  await until(async () => (await timeouts(daemon, timeout)) === 1, { what: `the timeout ${timeout}` });
}

/** A daemon before an echo backend. */
async function anEchoDaemon(env: Env, more = ROOMY) {
  const backend = await anEchoBackend();
  const daemon = await anOwnDaemon({ env, backends: [{ id: 'a', port: backend.port, more }] });
  return { daemon, backend };
}

/** A daemon whose backend neither accepts nor refuses. */
async function aSilentDaemon(env: Env) {
  const silent = await startSilentPort();
  onTestFinished(() => silent.close());
  return anOwnDaemon({ env, backends: [{ id: 'a', port: silent.port }] });
}

/** A daemon with two backends that say their names. */
async function aNamingDaemon(env: Env, one = '', other = '') {
  const [first, second] = [await aNamedBackend('one'), await aNamedBackend('other')];
  return anOwnDaemon({
    env,
    backends: [
      { id: 'one', port: first.port, more: one },
      { id: 'other', port: second.port, more: other },
    ],
  });
}

async function answersOf(daemon: OwnDaemon, times = 6): Promise<ReadonlySet<string>> {
  const answers = new Set<string>();
  for (let time = 0; time < times; time++) answers.add(await ask(daemon.port));
  return answers;
}

/** Of backends that are equal, each client is given one by chance. */
async function untilBothAnswer(daemon: OwnDaemon): Promise<void> {
  const answers = new Set<string>();
  await until(async () => answers.add(await ask(daemon.port)).size === 2, { what: 'both to answer' });
}

/** How many of so many clients are served. */
async function served(daemon: OwnDaemon, times: number): Promise<number> {
  let count = 0;
  for (let time = 0; time < times; time++) if ((await ask(daemon.port)) !== '') count++;
  return count;
}

const RATE = {
  EDGEPROXY_RATE_LIMIT_ENABLED: 'true',
  EDGEPROXY_RATE_LIMIT_MAX_REQUESTS: '1',
  EDGEPROXY_RATE_LIMIT_WINDOW_SECS: FOR_EVER,
  EDGEPROXY_RATE_LIMIT_BURST: '2',
};

async function aLimitedDaemon(env: Env = {}) {
  const backend = await aNamedBackend('one');
  return anOwnDaemon({ env: { ...RATE, ...env }, backends: [{ id: 'a', port: backend.port, more: ROOMY }] });
}

const POOL = { EDGEPROXY_POOL_ENABLED: 'true' };
const warmOf = (daemon: OwnDaemon) => daemon.metric('edgeproxy_pool_connections{backend="a"}');
const discarded = (daemon: OwnDaemon, reason: string) =>
  daemon.metric(`edgeproxy_pool_discarded_total{reason="${reason}"}`);

async function untilWarm(daemon: OwnDaemon, isEnough: (warm: number) => boolean): Promise<void> {
  await until(
    async () => {
      await anEchoClient(daemon.port);
      return isEnough((await warmOf(daemon)) ?? 0);
    },
    { what: 'so many warm connections' },
  );
}

async function untilDiscarded(daemon: OwnDaemon, reason: string): Promise<void> {
  await until(async () => ((await discarded(daemon, reason)) ?? 0) > 0, { what: `one discarded: ${reason}` });
}

export const ENGINE_CASES: SettingCases = {
  async listen_addr() {
    const { daemon } = await anEchoDaemon({});
    const client = await anEchoClient(daemon.port);
    const port = await freePort();
    await daemon.change({ env: { EDGEPROXY_LISTEN_ADDR: `127.0.0.1:${port}` } });
    await anEchoClient(port);
    await untilRefused(daemon.port);
    await exchange(client, 'still here');
  },

  async connect_timeout_secs() {
    const daemon = await aSilentDaemon({
      EDGEPROXY_CONNECT_TIMEOUT_SECS: FOR_EVER,
      EDGEPROXY_CONNECT_ATTEMPTS: '1',
    });
    const answer = ask(daemon.port);
    await until(async () => (await daemon.metric('edgeproxy_connections_active')) === 1, {
      what: 'the client',
    });
    await daemon.change({ env: { EDGEPROXY_CONNECT_TIMEOUT_SECS: '1' } });
    expect(await answer).toBe('');
  },

  async connect_attempts() {
    const backend = await aNamedBackend('one');
    const daemon = await anOwnDaemon({
      env: { EDGEPROXY_CONNECT_ATTEMPTS: '1' },
      backends: [
        { id: 'near', port: await freePort() },
        { id: 'far', port: backend.port, more: 'region = "eu"\ncountry = "DE"' },
      ],
    });
    expect(await answersOf(daemon)).toEqual(new Set(['']));
    await daemon.change({ env: { EDGEPROXY_CONNECT_ATTEMPTS: '2' } });
    expect(await answersOf(daemon)).toEqual(new Set(['one']));
  },

  async idle_timeout_secs() {
    const { daemon } = await anEchoDaemon({});
    await anEchoClient(daemon.port);
    await daemon.change({ env: { EDGEPROXY_IDLE_TIMEOUT_SECS: '1' } });
    await untilTimedOut(daemon, 'idle');
  },

  async half_closed_timeout_secs() {
    const backend = await aBackend((socket) => socket.resume());
    const daemon = await anOwnDaemon({ backends: [{ id: 'a', port: backend.port }] });
    const client = await tcpConnect(daemon.port, '127.0.0.1', { allowHalfOpen: true });
    onTestFinished(() => void client.destroy());
    client.end('over to you');
    await until(() => backend.sockets.length === 1, { what: 'the connection' });
    await daemon.change({ env: { EDGEPROXY_HALF_CLOSED_TIMEOUT_SECS: '1' } });
    await untilTimedOut(daemon, 'half_closed');
  },

  async first_byte_timeout_secs() {
    const backend = await aBackend((socket) => socket.resume());
    const daemon = await anOwnDaemon({ backends: [{ id: 'a', port: backend.port }] });
    const client = await tcpConnect(daemon.port);
    onTestFinished(() => void client.destroy());
    client.write('anybody there?');
    await until(() => backend.sockets.length === 1, { what: 'the connection' });
    await daemon.change({ env: { EDGEPROXY_FIRST_BYTE_TIMEOUT_SECS: '1' } });
    await untilTimedOut(daemon, 'first_byte');
  },

  async max_connections() {
    const { daemon } = await anEchoDaemon({});
    await anEchoClient(daemon.port);
    await daemon.change({ env: { EDGEPROXY_MAX_CONNECTIONS: '1' } });
    expect(await ask(daemon.port)).toBe('');
    expect(await refusals(daemon, 'max_connections')).toBe(1);
  },

  async max_connections_per_client() {
    const { daemon } = await anEchoDaemon({});
    await anEchoClient(daemon.port);
    await daemon.change({ env: { EDGEPROXY_MAX_CONNECTIONS_PER_CLIENT: '1' } });
    expect(await ask(daemon.port)).toBe('');
    expect(await refusals(daemon, 'max_connections_per_client')).toBe(1);
    await anEchoClient(daemon.port, { localAddress: '127.0.0.2' });
  },

  async 'queue.max'() {
    const { daemon } = await anEchoDaemon({ EDGEPROXY_QUEUE_TIMEOUT_SECS: FOR_EVER }, 'hard_limit = 1');
    const holder = await anEchoClient(daemon.port);
    expect(await ask(daemon.port)).toBe('');
    await daemon.change({ env: { EDGEPROXY_QUEUE_MAX: '1' } });
    const waiter = anEchoClient(daemon.port);
    await until(async () => (await daemon.metric('edgeproxy_connections_waiting')) === 1, {
      what: 'one to wait',
    });
    holder.destroy();
    await waiter;
  },

  async 'queue.timeout_secs'() {
    const env = { EDGEPROXY_QUEUE_MAX: '1', EDGEPROXY_QUEUE_TIMEOUT_SECS: FOR_EVER };
    const { daemon } = await anEchoDaemon(env, 'hard_limit = 1');
    await anEchoClient(daemon.port);
    const answer = ask(daemon.port);
    await until(async () => (await daemon.metric('edgeproxy_connections_waiting')) === 1, {
      what: 'one to wait',
    });
    await daemon.change({ env: { EDGEPROXY_QUEUE_TIMEOUT_SECS: '1' } });
    expect(await answer).toBe('');
    expect(await refusals(daemon, 'queue_timeout')).toBe(1);
  },

  async 'binding.ttl_secs'() {
    const daemon = await aNamingDaemon({ EDGEPROXY_BINDING_TTL_SECS: '0' });
    await untilBothAnswer(daemon);
    await daemon.change({ env: { EDGEPROXY_BINDING_TTL_SECS: FOR_EVER } });
    expect(await answersOf(daemon)).toHaveProperty('size', 1);
    await daemon.change({ env: { EDGEPROXY_BINDING_TTL_SECS: '0' } });
    await untilBothAnswer(daemon);
  },

  async 'rate_limit.enabled'() {
    const daemon = await aLimitedDaemon({ EDGEPROXY_RATE_LIMIT_ENABLED: 'false' });
    expect(await served(daemon, 5)).toBe(5);
    await daemon.change({ env: { EDGEPROXY_RATE_LIMIT_ENABLED: 'true' } });
    expect(await served(daemon, 5)).toBe(2);
    await daemon.change({ env: { EDGEPROXY_RATE_LIMIT_ENABLED: 'false' } });
    expect(await served(daemon, 5)).toBe(5);
  },

  async 'rate_limit.max_requests'() {
    const daemon = await aLimitedDaemon();
    expect(await served(daemon, 5)).toBe(2);
    await daemon.change({ env: { EDGEPROXY_RATE_LIMIT_MAX_REQUESTS: '1000000' } });
    await until(async () => (await ask(daemon.port)) === 'one', { what: 'a token' });
  },

  async 'rate_limit.window_secs'() {
    const daemon = await aLimitedDaemon();
    expect(await served(daemon, 5)).toBe(2);
    await daemon.change({ env: { EDGEPROXY_RATE_LIMIT_WINDOW_SECS: '1' } });
    await until(async () => (await ask(daemon.port)) === 'one', { what: 'a token' });
  },

  async 'rate_limit.burst'() {
    const daemon = await aLimitedDaemon();
    await daemon.change({ env: { EDGEPROXY_RATE_LIMIT_BURST: '4' } });
    expect(await served(daemon, 9)).toBe(4);
  },

  async 'rate_limit.exempt'() {
    const daemon = await aLimitedDaemon();
    expect(await served(daemon, 5)).toBe(2);
    await daemon.change({ env: { EDGEPROXY_RATE_LIMIT_EXEMPT: '127.0.0.0/8' } });
    expect(await served(daemon, 5)).toBe(5);
  },

  async 'proxy_protocol.trusted'() {
    const { daemon } = await anEchoDaemon({});
    await anEchoClient(daemon.port);
    await daemon.change({ env: { EDGEPROXY_PROXY_PROTOCOL_TRUSTED: '127.0.0.1' } });
    const client = await tcpConnect(daemon.port);
    client.end('no header');
    await untilRefusedFor(daemon, 'bad_proxy_header');
  },

  async 'proxy_protocol.timeout_secs'() {
    const env = {
      EDGEPROXY_PROXY_PROTOCOL_TRUSTED: '127.0.0.1',
      EDGEPROXY_PROXY_PROTOCOL_TIMEOUT_SECS: FOR_EVER,
    };
    const { daemon } = await anEchoDaemon(env);
    const answer = ask(daemon.port);
    await until(async () => (await daemon.metric('edgeproxy_connections_active')) === 1, {
      what: 'the client',
    });
    await daemon.change({ env: { EDGEPROXY_PROXY_PROTOCOL_TIMEOUT_SECS: '3' } });
    expect(await answer).toBe('');
  },

  async 'proxy_protocol.send'() {
    const { daemon } = await anEchoDaemon({});
    await anEchoClient(daemon.port);
    await daemon.change({ env: { EDGEPROXY_PROXY_PROTOCOL_SEND: 'v1' } });
    await until(
      async () => {
        const client = await tcpConnect(daemon.port);
        client.write('x');
        const [echoed] = await once(client, 'data');
        client.destroy();
        return String(echoed).startsWith('PROXY TCP4 127.0.0.1');
      },
      { what: 'a header' },
    );
  },

  async 'geoip.cidrs'() {
    const daemon = await aNamingDaemon({}, 'region = "eu"\ncountry = "PT"', 'region = "eu"\ncountry = "DE"');
    await daemon.change({ toml: '[geoip.cidrs]\n"127.0.0.0/8" = "DE"\n' });
    expect(await answersOf(daemon)).toEqual(new Set(['other']));
    await daemon.change({ toml: '[geoip.cidrs]\n"127.0.0.0/8" = "PT"\n' });
    expect(await answersOf(daemon)).toEqual(new Set(['one']));
  },

  async 'geoip.regions'() {
    const daemon = await aNamingDaemon({}, 'region = "eu"\ncountry = "PT"', 'region = "ap"\ncountry = "JP"');
    const cidrs = '[geoip.cidrs]\n"127.0.0.0/8" = "US"\n[geoip.regions]\nUS = ';
    await daemon.change({ toml: `${cidrs}"ap"\n` });
    expect(await answersOf(daemon)).toEqual(new Set(['other']));
    await daemon.change({ toml: `${cidrs}"eu"\n` });
    expect(await answersOf(daemon)).toEqual(new Set(['one']));
  },

  async 'geoip.path'() {
    const folder = await temporaryFolder();
    const fileOf = async (country: string): Promise<string> => {
      const path = `${folder}/${country}.mmdb`;
      await writeFile(path, writeMmdb({ networks: { '127.0.0.0/8': countryRecord(country) } }));
      return path;
    };
    const daemon = await aNamingDaemon({}, 'region = "eu"\ncountry = "PT"', 'region = "eu"\ncountry = "DE"');
    await daemon.change({ env: { EDGEPROXY_GEOIP_PATH: await fileOf('DE') } });
    expect(await answersOf(daemon)).toEqual(new Set(['other']));
    await writeFile(`${folder}/broken.mmdb`, 'broken');
    const { refused, settings } = await daemon.change({
      env: { EDGEPROXY_GEOIP_PATH: `${folder}/broken.mmdb` },
    });
    expect(refused).toMatchObject([{ key: 'geoip.path', reason: expect.stringContaining('broken.mmdb') }]);
    expect(settings.geoip.path).toBe(`${folder}/DE.mmdb`);
    expect(await answersOf(daemon)).toEqual(new Set(['other']));
    await daemon.change({ env: { EDGEPROXY_GEOIP_PATH: await fileOf('PT') } });
    expect(await answersOf(daemon)).toEqual(new Set(['one']));
  },

  async 'pool.enabled'() {
    const { daemon } = await anEchoDaemon({});
    await anEchoClient(daemon.port);
    expect(await warmOf(daemon)).toBeUndefined();
    await daemon.change({ env: POOL });
    await untilWarm(daemon, (warm) => warm > 0);
    await daemon.change({ env: { EDGEPROXY_POOL_ENABLED: 'false' } });
    await until(async () => (await warmOf(daemon)) === 0, { what: 'them to be closed' });
  },

  async 'pool.max_per_backend'() {
    const { daemon } = await anEchoDaemon({ ...POOL, EDGEPROXY_POOL_MAX_PER_BACKEND: '1' });
    await untilWarm(daemon, (warm) => warm === 1);
    const clients = Array.from({ length: 30 }, () => anEchoClient(daemon.port));
    await Promise.all(clients);
    expect(await warmOf(daemon)).toBeLessThanOrEqual(1);
    await daemon.change({ env: { EDGEPROXY_POOL_MAX_PER_BACKEND: '20' } });
    await untilWarm(daemon, (warm) => warm > 1);
  },

  async 'pool.idle_timeout_secs'() {
    const { daemon } = await anEchoDaemon(POOL);
    await untilWarm(daemon, (warm) => warm > 0);
    await daemon.change({ env: { EDGEPROXY_POOL_IDLE_TIMEOUT_SECS: '1' } });
    await untilDiscarded(daemon, 'idle');
  },

  async 'pool.max_lifetime_secs'() {
    const { daemon } = await anEchoDaemon(POOL);
    await untilWarm(daemon, (warm) => warm > 0);
    await daemon.change({ env: { EDGEPROXY_POOL_MAX_LIFETIME_SECS: '1' } });
    await untilDiscarded(daemon, 'lifetime');
  },

  async 'pool.connect_timeout_secs'() {
    const daemon = await aSilentDaemon({
      ...POOL,
      EDGEPROXY_CONNECT_TIMEOUT_SECS: FOR_EVER,
      EDGEPROXY_POOL_CONNECT_TIMEOUT_SECS: FOR_EVER,
    });
    const client = await tcpConnect(daemon.port);
    onTestFinished(() => void client.destroy());
    await until(async () => ((await warmOf(daemon)) ?? 0) > 0, { what: 'a connect for the pool' });
    await daemon.change({ env: { EDGEPROXY_POOL_CONNECT_TIMEOUT_SECS: '1' } });
    await until(async () => ((await daemon.metric('edgeproxy_pool_connect_failures_total')) ?? 0) > 0, {
      what: 'it to be given up',
    });
  },
};
