import type { CertificateFiles } from './certificates.ts';
import type { ProxySetup, Threads } from './contestants.ts';

/** What every proxy is told: where to listen, whom to pass connections to, on how many threads. */
export interface Wiring {
  readonly port: number;
  /** Where clients speak TLS, and what with; absent: nowhere. */
  readonly tls?: TlsWiring | undefined;
  readonly metricsPort: number;
  readonly origins: readonly number[];
  readonly threads: Threads;
  readonly folder: string;
}

export interface TlsWiring extends CertificateFiles {
  readonly port: number;
}

/** Where Debian's package libnginx-mod-stream puts it. */
export const NGINX_STREAM_MODULE = '/usr/lib/nginx/modules/ngx_stream_module.so';

/** Each takes two descriptors of a proxy, and HAProxy wants some more for its pipes: below 20,000 in all. */
const CONNECTIONS = 7_500;
const BACKLOG = 4_096;
/** Of a client in a second: more than any load makes, so that each is counted and none refused. */
const MOST_REQUESTS = 1_000_000;
const MOST_WAITING = 1_000;
/** Of silence. */
const TIMEOUT_SECS = 60;

type Haproxy = ProxySetup & { readonly kind: 'haproxy' };
type Nginx = ProxySetup & { readonly kind: 'nginx' };

const SPLICE: Readonly<Record<Haproxy['splice'], string>> = {
  auto: '  option splice-auto',
  always: '  option splice-request\n  option splice-response',
};

/** One process, no log. */
export function haproxyConfiguration(
  { port, tls, origins, threads }: Wiring,
  { bufferKib, splice }: Haproxy,
): string {
  const servers = origins.map((origin, index) => `  server origin-${index} 127.0.0.1:${origin}`);
  return `global
  nbthread ${threads}
  tune.bufsize ${bufferKib * 1024}
  maxconn ${CONNECTIONS}
defaults
  mode tcp
  balance leastconn
  timeout connect 5s
  timeout client ${TIMEOUT_SECS}s
  timeout server ${TIMEOUT_SECS}s
${SPLICE[splice]}
listen proxy
  bind 127.0.0.1:${port} backlog ${BACKLOG}
${tls === undefined ? '' : `  bind 127.0.0.1:${tls.port} backlog ${BACKLOG} ssl crt ${tls.both}`}
  maxconn ${CONNECTIONS}
${servers.join('\n')}
`;
}

/**
 * A worker a thread, each with a listener of its own (or one of them would get most connections), no log; the end of one
 * direction leaves the other one open, as the others do by default.
 */
export function nginxConfiguration(
  { port, tls, origins, threads, folder }: Wiring,
  { bufferKib }: Nginx,
): string {
  const servers = origins.map((origin) => `    server 127.0.0.1:${origin};`);
  return `load_module ${NGINX_STREAM_MODULE};
daemon off;
user ${process.env['USER'] ?? 'root'};
pid ${folder}/nginx.pid;
error_log stderr crit;
worker_processes ${threads};
events {
  worker_connections ${2 * CONNECTIONS + 100};
}
stream {
  access_log off;
  upstream origins {
    least_conn;
${servers.join('\n')}
  }
  server {
    listen 127.0.0.1:${port} backlog=${BACKLOG} reuseport;
${tls === undefined ? '' : nginxTls(tls)}
    proxy_pass origins;
    proxy_connect_timeout 5s;
    proxy_timeout ${TIMEOUT_SECS}s;
    proxy_half_close on;
    proxy_buffer_size ${bufferKib}k;
  }
}
`;
}

function nginxTls({ port, cert, key }: TlsWiring): string {
  return `    listen 127.0.0.1:${port} backlog=${BACKLOG} reuseport ssl;
    ssl_certificate ${cert};
    ssl_certificate_key ${key};
    ssl_protocols TLSv1.2 TLSv1.3;`;
}

/** Loopback addresses in several countries, so that the geographic choice has something to do. */
const NETWORKS = {
  '127.0.0.0/16': 'BR',
  '127.0.1.0/27': 'US',
  '127.0.1.32/27': 'DE',
  '10.0.0.0/8': 'AR',
  '2001:db8::/32': 'FR',
};

/** Everything off, or everything that exists on; the admin listener is for people and off in both. */
export function edgeproxyConfiguration(wiring: Wiring, features: 'off' | 'on'): string {
  const isOn = features === 'on';
  const all = CONNECTIONS * wiring.origins.length;
  const networks = Object.entries(NETWORKS).map(([network, country]) => `"${network}" = "${country}"`);
  const limits = isOn ? `soft_limit = 3000\nhard_limit = ${CONNECTIONS}` : 'hard_limit = 0';
  const backends = wiring.origins.map(
    (port, index) => `
[[backends]]
id = "origin-${index}"
app = "bench"
region = "sa"
country = "BR"
wg_ip = "127.0.0.1"
port = ${port}
${limits}
`,
  );
  return `listen_addr = "127.0.0.1:${wiring.port}"
state_dir = "${wiring.folder}"
max_connections = ${isOn ? all : 0}
max_connections_per_client = ${isOn ? all - 1 : 0}
half_closed_timeout_secs = ${isOn ? TIMEOUT_SECS : 0}
first_byte_timeout_secs = ${isOn ? TIMEOUT_SECS : 0}
[queue]
max = ${isOn ? MOST_WAITING : 0}
[pool]
enabled = ${isOn}
[binding]
ttl_secs = ${isOn ? 600 : 0}
${wiring.tls === undefined ? '' : edgeproxyTls(wiring.tls, wiring.threads)}
[metrics]
enabled = ${isOn}
listen_addr = "127.0.0.1:${wiring.metricsPort}"
[rate_limit]
enabled = ${isOn}
max_requests = ${MOST_REQUESTS}
burst = ${MOST_REQUESTS}
[circuit_breaker]
enabled = ${isOn}
[health_check]
enabled = ${isOn}
type = "tcp"
interval_secs = 2
${isOn ? `[geoip.cidrs]\n${networks.join('\n')}\n` : ''}${backends.join('')}`;
}

function edgeproxyTls({ port, cert, key }: TlsWiring, threads: Threads): string {
  return `[tls]
enabled = true
listen_addr = "127.0.0.1:${port}"
cert = "${cert}"
key = "${key}"
threads = ${threads}`;
}
