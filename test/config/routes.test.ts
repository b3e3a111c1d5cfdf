import { describe, expect, it } from 'vitest';
import { loadSettings } from '../../src/config/load.ts';
import { readSqlSettings } from '../../src/config/sql-settings.ts';

const load = (content: string, env = {}) => loadSettings(env, { path: 'edge.toml', content });
const route = (address: string, app: string): string =>
  `[[routes]]\nlisten_addr = "${address}"\napp = "${app}"\n`;

describe('routes', () => {
  it('are listeners with an app each, in their order', () => {
    const { settings } = load(`app = "web"\n${route('0.0.0.0:81', 'db')}${route('[::1]:82', 'db')}`);
    expect(settings).toMatchObject({
      app: 'web',
      routes: [
        { listen_addr: '0.0.0.0:81', app: 'db' },
        { listen_addr: '[::1]:82', app: 'db' },
      ],
    });
    expect(load('').settings).toMatchObject({ routes: [] });
  });

  it.each([
    [
      'another listener',
      `[metrics]\nenabled = true\n${route('127.0.0.1:9090', 'db')}`,
      'edge.toml:4: routes[0].listen_addr = "127.0.0.1:9090": expected an address of its own, metrics.listen_addr has "0.0.0.0:9090"',
    ],
    [
      'each other',
      `${route('[::]:81', 'db')}${route('0.0.0.0:81', 'web')}`,
      'edge.toml:5: routes[1].listen_addr = "0.0.0.0:81": expected an address of its own, edge.toml:2: routes[0].listen_addr has "[::]:81"',
    ],
    [
      'that of the main listener',
      route('127.0.0.1:8080', 'db'),
      'routes[0].listen_addr = "127.0.0.1:8080": expected an address of its own, listen_addr has "0.0.0.0:8080"',
    ],
  ])('may not have the address of %s', (_, content, problem) => {
    expect(() => load(content)).toThrow(problem);
  });

  it('are called by their row where SQL gives them', () => {
    const value = [{ listen_addr: '127.0.0.1:8080', app: 'db' }];
    const row = { key: 'routes', value, region: null, node: null };
    const sql = readSqlSettings([row], { region: 'sa', node: 'edge-1' });
    expect(() => loadSettings({}, undefined, sql)).toThrow(
      'edgeproxy.settings: routes[0].listen_addr = "127.0.0.1:8080": expected an address of its own',
    );
  });

  it.each([
    [
      'listen_addr = "db:81"\napp = "db"',
      'edge.toml:2: routes[0].listen_addr = "db:81": expected ADDRESS:PORT',
    ],
    ['listen_addr = "[::]:81"', 'routes[0].app = nothing: expected the name of an app'],
    ['listen_addr = "[::]:81"\napp = ""', 'edge.toml:3: routes[0].app = "": expected the name of an app'],
    ['app = "db"', 'routes[0].listen_addr = nothing: expected ADDRESS:PORT'],
    ['listen_add = "[::]:81"', 'edge.toml:2: routes[0].listen_add: no such key, did you mean listen_addr?'],
  ])('are refused by key and line: %j', (content, problem) => {
    expect(() => load(`[[routes]]\n${content}`)).toThrow(problem);
  });

  it('are refused when they are no list of tables, as is an app without a name', () => {
    expect(() => load('routes = 7')).toThrow('edge.toml:1: routes = 7: expected a list of tables');
    expect(() => load('', { EDGEPROXY_APP: '' })).toThrow('EDGEPROXY_APP = "": expected the name of an app');
  });
});
