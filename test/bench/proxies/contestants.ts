import type { Env } from '../../support/daemon.ts';

export type Threads = 1 | 2;

/** A proxy that takes part, and how it is set up. */
export interface Contestant {
  /** As in tables. */
  readonly name: string;
  /** As on the command line. */
  readonly key: string;
  readonly proxy: ProxySetup;
  readonly threads: readonly Threads[];
  /** Scenarios that this one is for; absent: all. */
  readonly scenarios?: RegExp;
  /** Takes part only when it is named on the command line. */
  readonly isOptional?: true;
}

export type ProxySetup =
  | { readonly kind: 'haproxy'; readonly bufferKib: number; readonly splice: 'auto' | 'always' }
  | { readonly kind: 'nginx'; readonly bufferKib: number }
  | { readonly kind: 'edgeproxy'; readonly features: 'off' | 'on'; readonly env: Env };

const epoll = { EDGEPROXY_ENGINE: 'epoll' };
const net = { EDGEPROXY_ENGINE: 'net' };

/** Of both as they come; and larger ones, which halve the cost of bulk and cost the others nothing. */
const STOCK_KIB = 16;
const TUNED_KIB = 64;

const WITHOUT_TLS = /^(?!tls-)/;

/** The first one is what ratios refer to. */
export const CONTESTANTS: readonly Contestant[] = [
  {
    key: 'haproxy',
    name: 'HAProxy',
    threads: [1, 2],
    proxy: { kind: 'haproxy', bufferKib: STOCK_KIB, splice: 'auto' },
  },
  {
    key: 'haproxy-tuned',
    name: 'HAProxy, 64 KiB buffers',
    threads: [1],
    proxy: { kind: 'haproxy', bufferKib: TUNED_KIB, splice: 'auto' },
    scenarios: WITHOUT_TLS,
  },
  {
    key: 'haproxy-splice',
    name: 'HAProxy, 64 KiB buffers, splice always',
    threads: [1, 2],
    proxy: { kind: 'haproxy', bufferKib: TUNED_KIB, splice: 'always' },
    isOptional: true,
  },
  { key: 'nginx', name: 'nginx', threads: [1, 2], proxy: { kind: 'nginx', bufferKib: STOCK_KIB } },
  {
    key: 'nginx-tuned',
    name: 'nginx, 64 KiB buffers',
    threads: [1, 2],
    proxy: { kind: 'nginx', bufferKib: TUNED_KIB },
    isOptional: true,
  },
  {
    key: 'epoll',
    name: 'edgeproxy epoll, all off',
    threads: [1, 2],
    proxy: { kind: 'edgeproxy', features: 'off', env: epoll },
  },
  {
    key: 'epoll-on',
    name: 'edgeproxy epoll, all on',
    threads: [1, 2],
    proxy: { kind: 'edgeproxy', features: 'on', env: epoll },
  },
  {
    // The pool takes the handshake off a client's path for a price that is best seen by itself.
    key: 'epoll-no-pool',
    name: 'edgeproxy epoll, all on but the pool',
    threads: [1],
    proxy: { kind: 'edgeproxy', features: 'on', env: { ...epoll, EDGEPROXY_POOL_ENABLED: 'false' } },
    scenarios: /^(kept|short)/,
  },
  {
    key: 'epoll-cubic',
    name: 'edgeproxy epoll, all off, cubic',
    threads: [1],
    proxy: { kind: 'edgeproxy', features: 'off', env: { ...epoll, EDGEPROXY_TCP_CONGESTION: 'cubic' } },
    scenarios: /^(down|up)-/,
  },
  {
    key: 'ffi',
    name: 'edgeproxy epoll by FFI, all off',
    threads: [1, 2],
    proxy: { kind: 'edgeproxy', features: 'off', env: { ...epoll, EDGEPROXY_SYSCALLS: 'ffi' } },
    isOptional: true,
  },
  {
    key: 'net',
    name: 'edgeproxy net, all off',
    threads: [1],
    proxy: { kind: 'edgeproxy', features: 'off', env: net },
    scenarios: WITHOUT_TLS,
  },
  {
    key: 'net-on',
    name: 'edgeproxy net, all on',
    threads: [1],
    proxy: { kind: 'edgeproxy', features: 'on', env: net },
    isOptional: true,
  },
];

/** The environment of a proxy on so many threads. */
export function environmentOf({ proxy }: Contestant, threads: Threads): Env {
  return proxy.kind === 'edgeproxy' ? { ...proxy.env, EDGEPROXY_THREADS: String(threads) } : {};
}
