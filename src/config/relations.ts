import { type Origin, nameOf } from './origin.ts';
import { overlap } from '../domain/listen-address.ts';
import { listenersOf } from './listeners.ts';
import type { Settings } from './schema.ts';
import { passthroughGaps } from './tls-passthrough.ts';
import { lineOfKey, type SettingsFile } from './toml-file.ts';
import { at } from './tree.ts';

type Origins = ReadonlyMap<string, Origin>;

/** What the schema cannot say because it concerns more than one setting: a line for each that is wrong. */
export function relations(
  settings: Settings,
  origins: Origins,
  file: SettingsFile | undefined,
): readonly string[] {
  const {
    postgres,
    pool,
    proxy_protocol: { send },
  } = settings;
  const problems = [...sharedAddresses(settings, origins, file), ...tokensGivenTwice(settings, origins)];
  if (postgres.enabled && postgres.url === undefined) {
    problems.push(
      'EDGEPROXY_POSTGRES_URL = nothing: expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, because ' +
        `${nameOf('postgres.enabled', origins)} is true`,
    );
  }
  if (pool.enabled && send !== 'off') {
    problems.push(
      `${nameOf('pool.enabled', origins)} = true: expected false, because ` +
        `${nameOf('proxy_protocol.send', origins)} is ${send}, and a PROXY header says for whom a connection is made`,
    );
  }
  problems.push(...passthroughGaps(settings, origins), ...tlsGaps(settings, origins));
  if (postgres.min_connections > postgres.max_connections) {
    problems.push(
      `${nameOf('postgres.min_connections', origins)} = ${postgres.min_connections}: expected at most ` +
        `${nameOf('postgres.max_connections', origins)} = ${postgres.max_connections}`,
    );
  }
  return problems;
}

/** What a listener lacks that speaks TLS itself. */
function tlsGaps({ tls }: Settings, origins: Origins): string[] {
  if (!tls.enabled || tls.mode !== 'terminate') return [];
  const because = `because ${nameOf('tls.enabled', origins)} is true`;
  const problems: string[] = [];
  if (!tls.self_signed)
    for (const [key, env] of [
      ['cert', 'EDGEPROXY_TLS_CERT'],
      ['key', 'EDGEPROXY_TLS_KEY'],
    ] as const)
      if (tls[key] === undefined)
        problems.push(`${env} = nothing: expected the path of a PEM file, ${because}`);
  if (tls.client_auth !== 'off' && tls.client_ca === undefined)
    problems.push(
      'EDGEPROXY_TLS_CLIENT_CA = nothing: expected the path of a PEM file, because ' +
        `${nameOf('tls.client_auth', origins)} is ${tls.client_auth}`,
    );
  return problems;
}

/** Listeners of which one would find its port taken by the other. */
function sharedAddresses(settings: Settings, origins: Origins, file: SettingsFile | undefined): string[] {
  const all = [...listenersOf(settings)].map(([key, address]) => ({
    address,
    name: nameOfListener(key, origins, file),
    shown: JSON.stringify(at(settings, pathOf(key))),
  }));
  return all.flatMap(({ name, shown, address }, index) => {
    const other = all.slice(0, index).find((earlier) => overlap(address, earlier.address));
    if (other === undefined) return [];
    return [`${name} = ${shown}: expected an address of its own, ${other.name} has ${other.shown}`];
  });
}

/** Of a route, with its row, or the line of its own address. */
function nameOfListener(key: string, origins: Origins, file: SettingsFile | undefined): string {
  const origin = origins.get('routes');
  if (!key.startsWith('routes[')) return nameOf(key, origins);
  if (origin?.from === 'sql') return nameOf(key, new Map([[key, origin]]));
  if (file === undefined || origin?.from !== 'file') return nameOf(key, origins);
  return nameOf(key, new Map([[key, { ...origin, line: lineOfKey(file.content, pathOf(key)) }]]));
}

/** `routes[0].listen_addr` in its parts. */
function pathOf(key: string): readonly PropertyKey[] {
  return key.split(/[.[\]]+/).map((part) => (/^\d+$/.test(part) ? Number(part) : part));
}

/** Tokens that are there as such and in a file. */
function tokensGivenTwice({ admin, api, metrics }: Settings, origins: Origins): string[] {
  const pairs = [
    ['admin.token', admin.token, 'admin.token_file', admin.token_file],
    ['admin.read_token', admin.read_token, 'admin.read_token_file', admin.read_token_file],
    ['metrics.token', metrics.token, 'metrics.token_file', metrics.token_file],
    ['api.token', api.token, 'api.token_file', api.token_file],
    ['api.read_token', api.read_token, 'api.read_token_file', api.read_token_file],
  ] as const;
  return pairs
    .filter(([, token, , file]) => token !== undefined && file !== undefined)
    .map(([key, , fileKey, file]) => {
      const name = nameOf(fileKey, origins);
      return `${name} = ${JSON.stringify(file)}: expected nothing, ${nameOf(key, origins)} gives the token`;
    });
}
