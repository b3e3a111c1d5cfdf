import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SETTINGS } from '../../src/config/catalogue.ts';
import type { Environment } from '../../src/config/environment.ts';
import { loadSettings, valueOf } from '../../src/config/load.ts';
import { EdgeProxyError } from '../../src/errors.ts';

const file = (content: string) => ({ path: 'edge.toml', content });

/** The code and lines of the error that loading must end with. */
function failure(
  env: Environment,
  content?: string,
): { readonly code: string; readonly lines: readonly string[] } {
  try {
    loadSettings(env, content === undefined ? undefined : file(content));
  } catch (error) {
    if (error instanceof EdgeProxyError) return { code: error.code, lines: error.message.split('\n') };
    throw error;
  }
  throw new Error('the settings were accepted');
}

describe('precedence and origins', () => {
  it('takes the environment over the file over the default, and tells which', () => {
    const { settings, origins } = loadSettings(
      { EDGEPROXY_RATE_LIMIT_BURST: '77' },
      file('[rate_limit]\nmax_requests = 5\nburst = 6\n'),
    );
    expect(settings.rate_limit).toMatchObject({ max_requests: 5, burst: 77, window_secs: 1 });
    expect(origins.get('rate_limit.max_requests')).toEqual({ from: 'file', path: 'edge.toml', line: 2 });
    expect(origins.get('rate_limit.burst')).toEqual({ from: 'env', name: 'EDGEPROXY_RATE_LIMIT_BURST' });
    expect(origins.get('rate_limit.window_secs')).toEqual({ from: 'default' });
  });

  it.each([
    ['EDGEPROXY_CIRCUIT_FAILURE_THRESHOLD', 'circuit_breaker.failure_threshold'],
    ['EDGEPROXY_HEALTH_HEALTHY_THRESHOLD', 'health_check.healthy_threshold'],
    ['EDGEPROXY_RATE_LIMIT_MAX_REQUESTS', 'rate_limit.max_requests'],
    ['EDGEPROXY_POSTGRES_RELOAD_SECS', 'postgres.reload_secs'],
    ['EDGEPROXY_BINDING_GC_INTERVAL_SECS', 'binding.gc_interval_secs'],
  ])('reads %s as the key %s', (name, key) => {
    expect(valueOf(loadSettings({ [name]: '42' }).settings, key)).toBe(42);
  });

  it('accepts every default as an explicit value, from the environment and in its own type', () => {
    const env = Object.fromEntries(
      SETTINGS.flatMap(({ env: name, standard }) =>
        name === undefined || standard === undefined
          ? []
          : [[name, JSON.stringify(standard).replaceAll(/["[\]]/g, '')]],
      ),
    );
    expect(loadSettings(env).settings).toEqual(loadSettings({}).settings);
  });

  it.each(['true', '1', 'TRUE'])('reads %j as true', (text) => {
    expect(loadSettings({ EDGEPROXY_METRICS_ENABLED: text }).settings.metrics.enabled).toBe(true);
  });

  it.each([
    ['', []],
    ['edge.example', ['edge.example']],
    ['Edge.example:8443 ,[2001:db8::1], tunnel', ['edge.example:8443', '[2001:db8::1]', 'tunnel']],
  ])('reads %j as a list', (text, hosts) => {
    expect(loadSettings({ EDGEPROXY_ADMIN_HOSTS: text }).settings.admin.hosts).toEqual(hosts);
    const content = `[admin]\nhosts = ${JSON.stringify(text === '' ? [] : text.split(',').map((one) => one.trim()))}\n`;
    expect(loadSettings({}, file(content)).settings.admin.hosts).toEqual(hosts);
  });

  it.each(['a,,b', 'http://edge.example', 'user@edge.example', 'edge.example/', 'two words', '*'])(
    'refuses the host names %j',
    (text) => {
      const { code, lines } = failure({ EDGEPROXY_ADMIN_HOSTS: text });
      expect([code, lines.length]).toEqual(['ERR_SETTINGS_INVALID', 1]);
      expect(lines[0]).toMatch(
        /^EDGEPROXY_ADMIN_HOSTS(, item 2)? = ".*": expected a host name such as edge\.example/,
      );
    },
  );

  it.each(['0.0.0.0:8080', '127.0.0.1:0', '[::]:8080', '[::1]:65535'])(
    'accepts the address %s',
    (address) => {
      expect(loadSettings({ EDGEPROXY_LISTEN_ADDR: address }).settings.listen_addr).toBe(address);
    },
  );

  it.each([
    ':8080',
    'localhost:80',
    '::1:80',
    '[::1]',
    '1.2.3.4:65536',
    '1.2.3.4',
    '[1.2.3.4]:1',
    '256.1.1.1:1',
    '1.2.3.4:',
  ])('refuses the address %j', (address) => {
    expect(failure({ EDGEPROXY_LISTEN_ADDR: address }).lines).toEqual([
      `EDGEPROXY_LISTEN_ADDR = ${JSON.stringify(address)}: expected ADDRESS:PORT or [IPV6]:PORT`,
    ]);
  });
});

describe('what is wrong is named', () => {
  it('reports everything at once, with line, key, value and what is accepted', () => {
    const content = `region = 3
log_levl = "info"
[postgres]
reload_secs = 0
foo = 1
[[backends]]
id = "a"
app = "x"
region = "sa"
country = "BR"
wg_ip = "db.example"
port = 70000
[[backends]]
id = "a"
app = "x"
region = "sa"
country = "BRA"
wg_ip = "::1"
port = 7000
weigth = 3
[geoip.cidrs]
"10.0.0.1/8" = "BR"
`;
    const { code, lines } = failure({}, content);
    expect(code).toBe('ERR_SETTINGS_INVALID');
    expect([...lines].toSorted()).toEqual(
      [
        'edge.toml:1: region = 3: expected text that is not empty',
        'edge.toml:2: log_levl: no such key, did you mean log_level?',
        'edge.toml:4: postgres.reload_secs = 0: expected a whole number from 1 to 2147483',
        'edge.toml:5: postgres.foo: no such key, expected one of enabled, url, max_connections, min_connections, connect_timeout_secs, query_timeout_secs, reload_secs',
        'edge.toml:11: backends[0].wg_ip = "db.example": expected an IPv4 or IPv6 address, not a name',
        'edge.toml:12: backends[0].port = 70000: expected a port, 1 to 65535',
        'edge.toml:17: backends[1].country = "BRA": expected a country code of two letters (ISO 3166-1) such as BR',
        'edge.toml:20: backends[1].weigth: no such key, did you mean weight?',
        'edge.toml:22: geoip.cidrs.10.0.0.1/8 = "BR": has bits set after its prefix: the network is 10.0.0.0/8',
      ].toSorted(),
    );
  });

  it('names a syntax error with line and column', () => {
    expect(failure({}, 'region = "sa"\n[postgres\n')).toEqual({
      code: 'ERR_SETTINGS_FILE',
      lines: [expect.stringMatching(/^edge\.toml:2:\d+: not TOML: /)],
    });
  });

  it('refuses the same backend twice', () => {
    const row = '[[backends]]\nid = "a"\napp = "x"\nregion = "sa"\ncountry = "BR"\nwg_ip = "::1"\nport = 1\n';
    expect(failure({}, row + row).lines).toEqual([
      'edge.toml:9: backends[1].id = "a": expected an id that no other backend has',
    ]);
  });

  it('demands the URL of a database that is switched on, and pools that fit', () => {
    expect(
      failure({ EDGEPROXY_POSTGRES_ENABLED: 'true', EDGEPROXY_POSTGRES_MIN_CONNECTIONS: '11' }).lines,
    ).toEqual([
      'EDGEPROXY_POSTGRES_URL = nothing: expected postgres://USER:PASSWORD@HOST:PORT/DATABASE, because EDGEPROXY_POSTGRES_ENABLED is true',
      'EDGEPROXY_POSTGRES_MIN_CONNECTIONS = 11: expected at most postgres.max_connections = 10',
    ]);
  });

  it('never prints a secret', () => {
    const { lines } = failure({ EDGEPROXY_POSTGRES_URL: 'mysql://me:hush@db/x' }, '[api]\ntoken = 7\n');
    expect(lines.join('\n')).toContain('EDGEPROXY_POSTGRES_URL = ***');
    expect(lines.join('\n')).toContain('api.token = ***');
    expect(lines.join('\n')).not.toContain('hush');
  });

  it.each(['short', 'hush but with words that are many', 'hush-hush-hush-hush-hush"', ''])(
    'refuses the admin token %j, as the token file is refused, without showing it',
    (token) => {
      const rule = '***: expected at least 20 letters, digits or -._~+/ in one line';
      const content = `[admin]\ntoken = ${JSON.stringify(token)}\n`;
      for (const [env, text, name] of [
        [{ EDGEPROXY_ADMIN_TOKEN: token }, '', 'EDGEPROXY_ADMIN_TOKEN'],
        [{}, content, 'edge.toml:2: admin.token'],
      ] as const) {
        expect(failure(env, text)).toEqual({ code: 'ERR_SETTINGS_INVALID', lines: [`${name} = ${rule}`] });
      }
    },
  );

  it('refuses a pool of connections that begin with a PROXY header', () => {
    expect(failure({ EDGEPROXY_POOL_ENABLED: 'true' }, '[proxy_protocol]\nsend = "v2"\n')).toEqual({
      code: 'ERR_SETTINGS_INVALID',
      lines: [
        'EDGEPROXY_POOL_ENABLED = true: expected false, because edge.toml:2: proxy_protocol.send is v2, ' +
          'and a PROXY header says for whom a connection is made',
      ],
    });
  });

  it('refuses a TLS listener that has nothing to show, or nothing to know its clients by', () => {
    expect(failure({ EDGEPROXY_TLS_ENABLED: '1', EDGEPROXY_TLS_KEY: 'edge.key' })).toEqual({
      code: 'ERR_SETTINGS_INVALID',
      lines: [
        'EDGEPROXY_TLS_CERT = nothing: expected the path of a PEM file, because EDGEPROXY_TLS_ENABLED is true',
      ],
    });
    const content = '[tls]\nenabled = true\nself_signed = true\nclient_auth = "optional"\n';
    expect(failure({}, content)).toEqual({
      code: 'ERR_SETTINGS_INVALID',
      lines: [
        'EDGEPROXY_TLS_CLIENT_CA = nothing: expected the path of a PEM file, because edge.toml:4: tls.client_auth is optional',
      ],
    });
  });

  it('suggests the variable that was meant, and leaves those of a Kubernetes service alone', () => {
    const kubernetes = {
      EDGEPROXY_SERVICE_HOST: '10.0.0.1',
      EDGEPROXY_SERVICE_PORT_HTTP: '80',
      EDGEPROXY_PORT: 'tcp://10.0.0.1:80',
      EDGEPROXY_PORT_80_TCP_ADDR: '10.0.0.1',
    };
    expect(loadSettings(kubernetes).settings).toEqual(loadSettings({}).settings);
    expect(failure({ ...kubernetes, EDGEPROXY_METRIC_ENABLED: 'true' }).lines).toEqual([
      'EDGEPROXY_METRIC_ENABLED: no such variable, did you mean EDGEPROXY_METRICS_ENABLED?',
    ]);
  });

  it.each([
    ['EDGEPROXY_MAX_CONN', 'EDGEPROXY_MAX_CONNECTIONS'],
    ['EDGEPROXY_RATE_LIMIT_EXEMPTS', 'EDGEPROXY_RATE_LIMIT_EXEMPT'],
    ['EDGEPROXY_QUEUEMAX', 'EDGEPROXY_QUEUE_MAX'],
  ])('suggests for %s the variable %s', (given, meant) => {
    expect(failure({ [given]: '1' }).lines).toEqual([`${given}: no such variable, did you mean ${meant}?`]);
  });

  it('suggests the key in its table for one that was given flat', () => {
    expect(failure({}, 'queue_max = 1\n').lines).toEqual([
      'edge.toml:1: queue_max: no such key, did you mean queue.max?',
    ]);
  });

  it('names the item of a list that is wrong, and what a list looks like', () => {
    expect(failure({ EDGEPROXY_RATE_LIMIT_EXEMPT: '10.0.0.0/8,,::1' }).lines).toEqual([
      expect.stringMatching(/^EDGEPROXY_RATE_LIMIT_EXEMPT, item 2 = "": .*expected /),
    ]);
    expect(failure({}, '[rate_limit]\nexempt = "10.0.0.0/8"\n').lines).toEqual([
      'edge.toml:2: rate_limit.exempt = "10.0.0.0/8": expected a list such as ["ONE", "TWO"]',
    ]);
  });

  it.each([
    ['0.0.0.0:9000', '127.0.0.1:9000', true],
    ['[::]:9000', '127.0.0.1:9000', true],
    ['127.0.0.1:9000', '127.0.0.1:9000', true],
    ['127.0.0.1:0', '127.0.0.1:0', false],
    ['127.0.0.1:9000', '127.0.0.2:9000', false],
    ['127.0.0.1:9000', '[::1]:9000', false],
    ['0.0.0.0:9000', '[::1]:9000', false],
    ['0.0.0.0:9000', '0.0.0.0:9001', false],
  ])(
    'tells of listeners on %s and %s whether one takes the port of the other',
    (proxy, metrics, isShared) => {
      const env = {
        EDGEPROXY_LISTEN_ADDR: proxy,
        EDGEPROXY_METRICS_ENABLED: 'true',
        EDGEPROXY_METRICS_LISTEN_ADDR: metrics,
      };
      const complaint = `EDGEPROXY_METRICS_LISTEN_ADDR = "${metrics}": expected an address of its own, EDGEPROXY_LISTEN_ADDR has "${proxy}"`;
      if (isShared) expect(failure(env).lines).toEqual([complaint]);
      else expect(loadSettings(env).settings.listen_addr).toBe(proxy);
    },
  );

  it('leaves addresses of listeners alone that are switched off', () => {
    const env = { EDGEPROXY_LISTEN_ADDR: '0.0.0.0:9090' };
    expect(loadSettings(env).settings.metrics.listen_addr).toBe('0.0.0.0:9090');
  });

  it('warns of what is set and has no effect', () => {
    const env = {
      EDGEPROXY_ENGINE: 'net',
      EDGEPROXY_MAX_CONNECTIONS: '100',
      EDGEPROXY_MAX_CONNECTIONS_PER_CLIENT: '100',
      EDGEPROXY_QUEUE_MAX: '101',
      EDGEPROXY_IDLE_TIMEOUT_SECS: '5',
      EDGEPROXY_FIRST_BYTE_TIMEOUT_SECS: '6',
    };
    expect(loadSettings(env, file('threads = 2\n[tcp]\nsplice = false\n')).warnings).toEqual([
      'edge.toml:1: threads has no effect: EDGEPROXY_ENGINE is net',
      'edge.toml:3: tcp.splice has no effect: EDGEPROXY_ENGINE is net',
      'EDGEPROXY_MAX_CONNECTIONS_PER_CLIENT = 100 has no effect beside EDGEPROXY_MAX_CONNECTIONS = 100',
      'EDGEPROXY_QUEUE_MAX = 101 has no effect above EDGEPROXY_MAX_CONNECTIONS = 100: who waits counts towards it',
      'EDGEPROXY_FIRST_BYTE_TIMEOUT_SECS = 6 has no effect beside EDGEPROXY_IDLE_TIMEOUT_SECS = 5, which is shorter',
    ]);
  });

  it.each([
    [
      '[tls]\ncert = "a"\nkey = "b"\nclient_auth = "required"\nclient_ca = "c"\nserver_names = { "a.test" = "web" }\n',
      ['tls.server_names', 'tls.cert', 'tls.key', 'tls.client_auth', 'tls.client_ca'],
      'tls.enabled is false',
    ],
    [
      '[tls]\nenabled = true\nmode = "passthrough"\ndefault_app = "web"\nhello_timeout_secs = 4\ncert = "a"\nkey = "b"\nalpn = ["h2"]\nclient_auth = "optional"\nclient_ca = "c"\nhandshake_timeout_secs = 3\n',
      ['tls.cert', 'tls.key', 'tls.alpn', 'tls.client_auth', 'tls.client_ca', 'tls.handshake_timeout_secs'],
      'tls.mode is passthrough',
    ],
    [
      '[tls]\nenabled = true\ncert = "a"\nkey = "b"\nhello_timeout_secs = 4\n',
      ['tls.hello_timeout_secs'],
      'tls.mode is terminate',
    ],
    [
      '[tls]\nenabled = true\ncert = "a"\nkey = "b"\nclient_ca = "c"\n',
      ['tls.client_ca'],
      'tls.client_auth is off',
    ],
    [
      'backends = [{ id = "a", app = "web", region = "sa", country = "BR", wg_ip = "127.0.0.1", port = 1 }]\n[postgres]\nenabled = true\nurl = "postgres://a@b/c"\n',
      ['backends'],
      'postgres.enabled is true',
    ],
    ['[pool]\nmax_per_backend = 3\n', ['pool.max_per_backend'], 'pool.enabled is false'],
    ['[queue]\ntimeout_secs = 3\n', ['queue.timeout_secs'], 'queue.max is 0'],
    ['heartbeat_ttl_secs = 3\n', ['heartbeat_ttl_secs'], 'api.enabled is false'],
    ['[admin]\ntoken = "12345678901234567890"\n', ['admin.token'], 'admin.enabled is false'],
  ])('warns of keys that another one makes idle: case %#', (content, keys, because) => {
    const { warnings } = loadSettings({}, file(content));
    const withoutLines = warnings.map((line) => line.replaceAll(/edge\.toml:\d+: /g, ''));
    expect(withoutLines).toEqual(keys.map((key) => `${key} has no effect: ${because}`));
  });

  it.each([
    '[rate_limit]\nburst = 10\n',
    '[tls]\nenabled = true\ncert = "a"\nkey = "b"\nserver_names = { "a.test" = "web" }\ndefault_app = "db"\n',
    'max_connections_per_client = 2\n[rate_limit]\nipv6_prefix = 56\n',
    '[metrics]\nenabled = true\n[admin]\ntoken = "12345678901234567890"\n',
    '[postgres]\nurl = "postgres://a@b/c"\n',
    '[config_watch]\ninterval_secs = 2\n[tls]\nenabled = true\nself_signed = true\n',
  ])('warns of nothing that is a default, or of use elsewhere: %j', (content) => {
    expect(loadSettings({}, file(content)).warnings).toEqual([]);
  });

  it('warns of nothing where all of it works', () => {
    const env = {
      EDGEPROXY_THREADS: '2',
      EDGEPROXY_MAX_CONNECTIONS: '100',
      EDGEPROXY_MAX_CONNECTIONS_PER_CLIENT: '99',
      EDGEPROXY_QUEUE_MAX: '100',
      EDGEPROXY_IDLE_TIMEOUT_SECS: '5',
      EDGEPROXY_FIRST_BYTE_TIMEOUT_SECS: '5',
    };
    expect(loadSettings(env).warnings).toEqual([]);
    expect(
      loadSettings({ ...env, EDGEPROXY_MAX_CONNECTIONS: '0', EDGEPROXY_IDLE_TIMEOUT_SECS: '0' }).warnings,
    ).toEqual([]);
  });

  it('ends every file and environment in settings or in an error of its own, never in anything else', () => {
    const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant([]), fc.constant({ a: 1 }));
    const toml = fc
      .array(fc.tuple(fc.constantFrom(...SETTINGS.map(({ key }) => key)), value), { maxLength: 5 })
      .map((pairs) => [...new Map(pairs)].map(([key, v]) => `${key} = ${tomlOf(v)}`).join('\n'));
    const env = fc.dictionary(
      fc.constantFrom(...SETTINGS.flatMap((setting) => setting.env ?? [])),
      fc.oneof(fc.string(), fc.integer().map(String), fc.constantFrom('true', 'false')),
      { maxKeys: 5 },
    );
    fc.assert(
      fc.property(env, fc.oneof(toml, fc.string()), (variables, content) => {
        try {
          expect(loadSettings(variables, file(content)).origins.size).toBe(SETTINGS.length);
        } catch (error) {
          expect(error).toBeInstanceOf(EdgeProxyError);
          expect((error as EdgeProxyError).exitCode).toBe(2);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

function tomlOf(value: unknown): string {
  return typeof value === 'object' && !Array.isArray(value) ? '{ a = 1 }' : JSON.stringify(value);
}
