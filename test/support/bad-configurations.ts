/** A file that is no configuration, and what must be said of it. */
export interface BadFile {
  readonly name: string;
  readonly content: string;
  /** In the messages: the line, and what is wrong. */
  readonly says: RegExp;
}

const backend = (change: string): string =>
  `[[backends]]\nid = "a"\napp = "x"\nregion = "sa"\ncountry = "BR"\nwg_ip = "::1"\nport = 1\n${change}\n`;

const WHOLE = 'expected a whole number from';

/** Every kind of mistake that people make in such files, each in a file of its own. */
export const BAD_FILES: readonly BadFile[] = [
  { name: 'no TOML', content: 'burst: 5\n', says: /:1:\d+: not TOML: / },
  { name: 'half a table header', content: 'region = "sa"\n[rate_limit\n', says: /:2:\d+: not TOML: / },
  { name: 'half a text', content: 'region = "s', says: /:1:\d+: not TOML: / },
  { name: 'half a key', content: 'region = "sa"\nlog_lev', says: /:2:\d+: not TOML: / },
  { name: 'a key without a value', content: 'region =\n', says: /:1:\d+: not TOML: / },
  { name: 'a key twice', content: 'region = "a"\nregion = "b"\n', says: /:2:\d+: not TOML: / },
  { name: 'a table twice', content: '[pool]\n[pool]\n', says: /:2:\d+: not TOML: / },
  { name: 'JSON', content: '{"region": "sa"}\n', says: /:1:\d+: not TOML: / },
  { name: 'text without quotes', content: 'log_level = debug\n', says: /:1:\d+: not TOML: / },
  { name: 'a NUL', content: 'region = "\u0000"\n', says: /:1:\d+: not TOML: / },
  {
    name: 'an unknown key',
    content: 'log_levl = "info"\n',
    says: /:1: log_levl: no such key, did you mean log_level\?/,
  },
  {
    name: 'an unknown table',
    content: '[rate_limits]\nburst = 1\n',
    says: /:1: rate_limits: no such key, did you mean rate_limit\?/,
  },
  {
    name: 'an unknown key of a table',
    content: '[rate_limit]\nbrust = 1\n',
    says: /:2: rate_limit\.brust: no such key, did you mean burst\?/,
  },
  {
    name: 'a variable instead of a key',
    content: 'EDGEPROXY_REGION = "sa"\n',
    says: /:1: EDGEPROXY_REGION: no such key/,
  },
  { name: 'a key of another table', content: '[pool]\nburst = 1\n', says: /:2: pool\.burst: no such key/ },
  {
    name: 'text for a number',
    content: '[rate_limit]\nburst = "5"\n',
    says: new RegExp(`:2: rate_limit\\.burst = "5": ${WHOLE}`),
  },
  {
    name: 'a fraction',
    content: 'connect_attempts = 1.5\n',
    says: new RegExp(`:1: connect_attempts = 1\\.5: ${WHOLE}`),
  },
  {
    name: 'too small a number',
    content: 'connect_timeout_secs = 0\n',
    says: /:1: connect_timeout_secs = 0: expected a whole number from 1/,
  },
  {
    name: 'too large a number',
    content: 'connect_timeout_secs = 9999999999\n',
    says: new RegExp(`:1: connect_timeout_secs = 9999999999: ${WHOLE}`),
  },
  {
    name: 'a negative number',
    content: '[queue]\nmax = -1\n',
    says: new RegExp(`:2: queue\\.max = -1: ${WHOLE}`),
  },
  {
    name: 'a percentage above 100',
    content: 'panic_threshold_percent = 101\n',
    says: /:1: panic_threshold_percent = 101: expected a whole number from 0 to 100/,
  },
  { name: 'a number for text', content: 'region = 3\n', says: /:1: region = 3: expected text/ },
  { name: 'empty text', content: 'region = ""\n', says: /:1: region = "": expected text that is not empty/ },
  {
    name: 'text for a switch',
    content: '[health_check]\nenabled = "true"\n',
    says: /:2: health_check\.enabled = "true": expected true or false/,
  },
  {
    name: 'a word that is none of those',
    content: '[health_check]\ntype = "https"\n',
    says: /:2: health_check\.type = "https": expected one of tcp, http/,
  },
  { name: 'a value for a table', content: 'rate_limit = 5\n', says: /:1: rate_limit = 5: expected a table/ },
  {
    name: 'a value for a list of tables',
    content: 'backends = 5\n',
    says: /:1: backends = 5: expected a list of tables/,
  },
  {
    name: 'a list for a table',
    content: 'geoip.cidrs = []\n',
    says: /:1: geoip\.cidrs = \[\]: expected a table/,
  },
  {
    name: 'a table for a value',
    content: '[log_level]\nx = 1\n',
    says: /:1: log_level = \{"x":1\}: expected one of/,
  },
  {
    name: 'text for a list',
    content: '[rate_limit]\nexempt = "10.0.0.0/8"\n',
    says: /:2: rate_limit\.exempt = "10\.0\.0\.0\/8": expected a list/,
  },
  {
    name: 'a name for an address',
    content: 'listen_addr = "localhost:8080"\n',
    says: /:1: listen_addr = "localhost:8080": expected ADDRESS:PORT/,
  },
  {
    name: 'a port that is none',
    content: 'listen_addr = "0.0.0.0:70000"\n',
    says: /:1: listen_addr = "0\.0\.0\.0:70000": expected ADDRESS:PORT/,
  },
  {
    name: 'a network with host bits',
    content: '[geoip.cidrs]\n"10.0.0.1/8" = "BR"\n',
    says: /:2: geoip\.cidrs\.10\.0\.0\.1\/8 = "BR": has bits set after its prefix/,
  },
  {
    name: 'a country of three letters',
    content: '[geoip.cidrs]\n"10.0.0.0/8" = "BRA"\n',
    says: /:2: geoip\.cidrs\.10\.0\.0\.0\/8 = "BRA": expected a country code/,
  },
  {
    name: 'a path without a slash',
    content: '[health_check]\npath = "health"\n',
    says: /:2: health_check\.path = "health": expected a path that starts with/,
  },
  {
    name: 'a backend without an address',
    content: '[[backends]]\nid = "a"\n',
    says: /:1: backends\[0\]\.wg_ip = nothing: /,
  },
  {
    name: 'a backend with a bad port',
    content: backend('weight = 1').replace('port = 1', 'port = 70000'),
    says: /:7: backends\[0\]\.port = 70000: expected a port/,
  },
  {
    name: 'a backend of negative weight',
    content: backend('weight = -1'),
    says: /:8: backends\[0\]\.weight = -1: /,
  },
  {
    name: 'a backend with a misspelt column',
    content: backend('weigth = 1'),
    says: /:8: backends\[0\]\.weigth: no such key, did you mean weight\?/,
  },
  {
    name: 'a backend twice',
    content: backend('') + backend(''),
    says: /backends\[1\]\.id = "a": expected an id that no other backend has/,
  },
  {
    name: 'a database without its address',
    content: '[postgres]\nenabled = true\n',
    says: /EDGEPROXY_POSTGRES_URL = nothing: expected postgres:/,
  },
  {
    name: 'a database URL of another kind',
    content: '[postgres]\nurl = "mysql://me:hush@h/d"\n',
    says: /:2: postgres\.url = \*\*\*: expected postgres:/,
  },
  {
    name: 'a pool that does not fit',
    content: '[postgres]\nmin_connections = 11\n',
    says: /:2: postgres\.min_connections = 11: expected at most/,
  },
  {
    name: 'a token that is none',
    content: '[admin]\ntoken = "hush"\n',
    says: /:2: admin\.token = \*\*\*: expected at least 20/,
  },
  {
    name: 'a TLS listener without a certificate',
    content: '[tls]\nenabled = true\n',
    says: /EDGEPROXY_TLS_CERT = nothing: expected the path of a PEM file, because .*:2: tls\.enabled is true/,
  },
  {
    name: 'two listeners on one port',
    content: '[metrics]\nenabled = true\nlisten_addr = "0.0.0.0:8080"\n',
    says: /:3: metrics\.listen_addr = "0\.0\.0\.0:8080": expected an address of its own/,
  },
];
