import { describe, expect, it } from 'vitest';
import { type Env, runCli } from '../support/daemon.ts';
import { aNamedBackend, anEdge, ask, askTimes } from '../support/edge.ts';
import { until } from '../support/until.ts';

/** Nothing comes back while a test runs. */
const ONCE = {
  EDGEPROXY_RATE_LIMIT_ENABLED: 'true',
  EDGEPROXY_RATE_LIMIT_MAX_REQUESTS: '1',
  EDGEPROXY_RATE_LIMIT_WINDOW_SECS: '86400',
};
const RATE_LIMITED = 'edgeproxy_connections_refused_total{reason="rate_limited"}';
const FORGOTTEN = 'edgeproxy_rate_limit_early_evictions_total';
const CLIENTS = 1_050;
/** At one time. */
const CONCURRENT = 50;

const from = (localAddress: string) => ({ localAddress });

async function aLimitedEdge(env: Env) {
  const backend = await aNamedBackend('a');
  return { backend, ...(await anEdge([{ id: 'a', port: backend.port }], { env })) };
}

/** All of these, some at one time. */
async function askAll(port: number, clients: readonly string[]): Promise<readonly string[]> {
  const answers: string[] = [];
  for (let at = 0; at < clients.length; at += CONCURRENT) {
    const some = clients.slice(at, at + CONCURRENT).map((client) => ask(port, from(client)));
    answers.push(...(await Promise.all(some)));
  }
  return answers;
}

const countOf = (answers: readonly string[], answer: string): number =>
  answers.filter((candidate) => candidate === answer).length;

// Only Linux has all of 127.0.0.0/8 without being told.
describe.runIf(process.platform === 'linux').each([
  ['portable', { EDGEPROXY_ENGINE: 'net' }],
  ['epoll', { EDGEPROXY_ENGINE: 'epoll', EDGEPROXY_THREADS: '2' }],
] as const)('a rate limit on the %s engine', (_, engine) => {
  it('refuses an address that comes too often, no other and no exempt one, and says so', async () => {
    const { backend, daemon } = await aLimitedEdge({
      ...engine,
      ...ONCE,
      EDGEPROXY_RATE_LIMIT_BURST: '3',
      EDGEPROXY_RATE_LIMIT_EXEMPT: '127.0.1.0/24, 2001:db8::/32',
    });
    const { port } = daemon;
    expect(await askTimes(port, 5, from('127.0.0.2'))).toEqual(['a', 'a', 'a', '', '']);
    expect(await askTimes(port, 4, from('127.0.0.3'))).toEqual(['a', 'a', 'a', '']);
    expect(countOf(await askTimes(port, 20, from('127.0.1.2')), 'a')).toBe(20);
    expect(backend.connections).toBe(26);

    expect(await daemon.metric(RATE_LIMITED)).toBe(3);
    expect(await daemon.metric('edgeproxy_connections_refused_total{reason="no_backend"}')).toBe(0);
    expect(await daemon.metric('edgeproxy_connections_total')).toBe(29);
    expect(await daemon.metric(FORGOTTEN)).toBe(0);
    await until(() => daemon.logs.filter(({ msg }) => msg === 'client refused').length === 3, {
      what: 'a line for each refusal',
    });
    const refusals = daemon.logs.filter(({ msg }) => msg === 'client refused');
    // Each thread tells its own in their order.
    const told = refusals.map(({ level, client, reason }) => `${level} ${String(client)} ${String(reason)}`);
    expect(told.toSorted((one, other) => one.localeCompare(other))).toEqual([
      'debug 127.0.0.2 rate_limited',
      'debug 127.0.0.2 rate_limited',
      'debug 127.0.0.3 rate_limited',
    ]);
    expect(await daemon.log('clients are refused')).toMatchObject({ level: 'warn', reason: 'rate_limited' });
  });

  it('serves who was refused as soon as a token is there', async () => {
    const { daemon } = await aLimitedEdge({
      ...engine,
      EDGEPROXY_RATE_LIMIT_ENABLED: 'true',
      EDGEPROXY_RATE_LIMIT_MAX_REQUESTS: '2',
      EDGEPROXY_RATE_LIMIT_BURST: '1',
    });
    const startedMs = performance.now();
    let served = 0;
    await until(async () => (await ask(daemon.port)) === 'a' && ++served === 4, { what: 'four tokens' });
    // The first one was there, the other three took half a second each; the times of the daemon are rounded.
    expect(performance.now() - startedMs).toBeGreaterThan(1_000);
    expect(await daemon.metric(RATE_LIMITED)).toBeGreaterThan(0);
  });

  it('tells a thousand clients apart, and is back at its descriptors after their storm', async () => {
    const { backend, daemon } = await aLimitedEdge({ ...engine, ...ONCE, EDGEPROXY_RATE_LIMIT_BURST: '2' });
    const clients = Array.from({ length: CLIENTS }, (__, index) => `127.1.${index >> 8}.${index & 255}`);
    // Every thread has had clients, and what it opens for the first of them.
    await askAll(daemon.port, clients.slice(0, CONCURRENT));
    const descriptors = await daemon.metric('process_open_fds');
    const rest = clients.slice(CONCURRENT);
    for (const answer of ['a', 'a', '', ''])
      expect(countOf(await askAll(daemon.port, rest), answer)).toBe(rest.length);
    expect(backend.connections).toBe(2 * rest.length + CONCURRENT);
    expect(await daemon.metric(RATE_LIMITED)).toBe(2 * rest.length);
    expect(await daemon.metric(FORGOTTEN)).toBe(0);
    await until(async () => (await daemon.metric('edgeproxy_connections_active')) === 0, { what: 'quiet' });
    await until(async () => (await daemon.metric('process_open_fds'))! <= descriptors!, {
      what: `at most ${descriptors} open descriptors`,
    });
  });
});

describe('a daemon', () => {
  it('has no series of a limit that it does not have', async () => {
    const { daemon } = await aLimitedEdge({});
    expect(await askTimes(daemon.port, 20)).toEqual(Array.from({ length: 20 }, () => 'a'));
    expect(await daemon.metric(FORGOTTEN)).toBeUndefined();
    expect(await daemon.metric(RATE_LIMITED)).toBe(0);
  });

  it.each([
    [
      { EDGEPROXY_RATE_LIMIT_EXEMPT: '10.0.0.0/8, 10.0.0.1/8' },
      'EDGEPROXY_RATE_LIMIT_EXEMPT, item 2 = "10.0.0.1/8": has bits set after its prefix: the network is 10.0.0.0/8',
    ],
    [
      { EDGEPROXY_RATE_LIMIT_EXEMPT: 'office' },
      'EDGEPROXY_RATE_LIMIT_EXEMPT = "office": is not an IPv4 or IPv6 network: expected one such as',
    ],
    [
      { EDGEPROXY_RATE_LIMIT_IPV6_PREFIX: '129' },
      'EDGEPROXY_RATE_LIMIT_IPV6_PREFIX = 129: expected a whole number from 1 to 128',
    ],
    [
      { EDGEPROXY_RATE_LIMIT_MAX_CLIENTS: '14' },
      'EDGEPROXY_RATE_LIMIT_MAX_CLIENTS = 14: expected a whole number from 15 to 2147483',
    ],
  ])('does not start with %j, and says why', async (env, message) => {
    const { code, stderr } = await runCli(['check'], env);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });
});
