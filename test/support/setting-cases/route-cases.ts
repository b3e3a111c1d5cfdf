import { expect } from 'vitest';
import { helloMessage, recordsOf, serverNameOf } from '../client-hello.ts';
import { aClient, anEchoBackend, anEchoClient, ask, exchange } from '../edge.ts';
import type { Env } from '../daemon.ts';
import { anOwnDaemon, type OwnDaemon } from '../own-daemon.ts';
import { freePort, once, untilRefused } from '../sockets.ts';
import { until } from '../until.ts';
import type { SettingCases } from './cases.ts';

/** A daemon before an echo backend of the app `x`. */
async function anEchoDaemon(env: Env, toml = '') {
  const backend = await anEchoBackend();
  const backends = [{ id: 'a', port: backend.port, more: 'hard_limit = 0' }];
  return { daemon: await anOwnDaemon({ env, toml, backends }), backend };
}

const HELLO = recordsOf(helloMessage([serverNameOf('shop.example')]));
const toName = (app: string): string => `[tls.server_names]\n"shop.example" = "${app}"\n`;

/** A daemon that leaves TLS to backends. */
async function aPassthrough(env: Env, toml = '') {
  const port = await freePort();
  const { daemon } = await anEchoDaemon(
    {
      EDGEPROXY_TLS_ENABLED: 'true',
      EDGEPROXY_TLS_MODE: 'passthrough',
      EDGEPROXY_TLS_LISTEN_ADDR: `127.0.0.1:${port}`,
      ...env,
    },
    toml,
  );
  return { daemon, port };
}

/** Whether a client that asks for the name of the tests is given a backend: its greeting comes back. */
async function isGreeted(port: number): Promise<boolean> {
  const client = await aClient(port);
  client.write(HELLO);
  const answer = once(client, 'data').then(([bytes]) => HELLO.equals(bytes as Buffer));
  const closed = once(client, 'end').then(() => false);
  return Promise.race([answer, closed]).catch(() => false);
}

const refusals = (daemon: OwnDaemon, reason: string) =>
  daemon.metric(`edgeproxy_connections_refused_total{reason="${reason}"}`);

export const ROUTE_CASES: SettingCases = {
  async app() {
    const { daemon } = await anEchoDaemon({ EDGEPROXY_APP: 'y' });
    const given = await anEchoDaemon({});
    const client = await anEchoClient(given.daemon.port);
    expect(await ask(daemon.port)).toBe('');
    await daemon.change({ env: { EDGEPROXY_APP: 'x' } });
    await anEchoClient(daemon.port);
    await given.daemon.change({ env: { EDGEPROXY_APP: 'y' } });
    expect(await ask(given.daemon.port)).toBe('');
    await exchange(client, 'still here');
  },

  async routes() {
    const { daemon } = await anEchoDaemon({});
    const [port, other] = await Promise.all([freePort(), freePort()]);
    const toml = (at: number, app: string): string =>
      `[[routes]]\nlisten_addr = "127.0.0.1:${at}"\napp = "${app}"\n`;
    await daemon.change({ toml: toml(port, 'x') });
    const client = await anEchoClient(port);
    await daemon.change({ toml: `${toml(port, 'y')}${toml(other, 'x')}` });
    await until(async () => (await ask(port)) === '', { what: 'a refusal' });
    await anEchoClient(other);
    await daemon.change({ toml: '' });
    await untilRefused(other);
    await untilRefused(port);
    for (const socket of [client, await anEchoClient(daemon.port)]) await exchange(socket, 'still here');
  },

  async 'tls.server_names'() {
    const { daemon, port } = await aPassthrough({}, toName('y'));
    expect(await isGreeted(port)).toBe(false);
    await daemon.change({ toml: toName('x') });
    expect(await isGreeted(port)).toBe(true);
  },

  async 'tls.default_app'() {
    const { daemon, port } = await aPassthrough({ EDGEPROXY_TLS_DEFAULT_APP: 'x' });
    expect(await isGreeted(port)).toBe(true);
    await daemon.change({ env: { EDGEPROXY_TLS_DEFAULT_APP: 'y' } });
    expect(await isGreeted(port)).toBe(false);
    expect(await refusals(daemon, 'no_backend')).toBe(1);
  },

  async 'tls.hello_timeout_secs'() {
    const { daemon, port } = await aPassthrough({ EDGEPROXY_TLS_HELLO_TIMEOUT_SECS: '100000' }, toName('x'));
    const client = await aClient(port);
    const closed = once(client.resume(), 'close').catch(() => undefined);
    await until(async () => (await daemon.metric('edgeproxy_connections_active')) === 1, {
      what: 'the client',
    });
    await daemon.change({ env: { EDGEPROXY_TLS_HELLO_TIMEOUT_SECS: '3' } });
    client.on('end', () => client.end());
    await closed;
    expect(await refusals(daemon, 'bad_client_hello')).toBe(1);
  },
};
