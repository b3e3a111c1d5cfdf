import { ENVIRONMENT_NAMES } from '../../../src/config/environment.ts';
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

const ENGINE = 'EDGEPROXY_ENGINE';
const THREADS = 'EDGEPROXY_THREADS';
const epoll = { [ENGINE]: 'epoll' };

/** A version that cannot choose has the portable engine alone. */
const net = ENVIRONMENT_NAMES.includes(ENGINE) ? { [ENGINE]: 'net' } : {};

/**
 * Larger buffers than the 16 KiB of both halve the cost of bulk and cost the others nothing: who tunes sets them.
 * With them, to splice always gains little for bulk, and makes small exchanges half as costly again.
 */
const TUNED_KIB = 64;
const STOCK_KIB = 16;

/** The first one is what ratios refer to. */
export const CONTESTANTS: readonly Contestant[] = [
  {
    key: 'haproxy',
    name: 'HAProxy',
    threads: [1, 2],
    proxy: { kind: 'haproxy', bufferKib: TUNED_KIB, splice: 'auto' },
  },
  {
    key: 'haproxy-splice',
    name: 'HAProxy, splice always',
    threads: [1, 2],
    proxy: { kind: 'haproxy', bufferKib: TUNED_KIB, splice: 'always' },
    isOptional: true,
  },
  {
    key: 'haproxy-stock',
    name: 'HAProxy, 16 KiB buffers',
    threads: [1, 2],
    proxy: { kind: 'haproxy', bufferKib: STOCK_KIB, splice: 'auto' },
    isOptional: true,
  },
  { key: 'nginx', name: 'nginx', threads: [1, 2], proxy: { kind: 'nginx', bufferKib: TUNED_KIB } },
  {
    key: 'nginx-stock',
    name: 'nginx, 16 KiB buffers',
    threads: [1, 2],
    proxy: { kind: 'nginx', bufferKib: STOCK_KIB },
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
  },
  {
    key: 'net-on',
    name: 'edgeproxy net, all on',
    threads: [1],
    proxy: { kind: 'edgeproxy', features: 'on', env: net },
    isOptional: true,
  },
];

/** The environment of a proxy on so many threads. A version of edgeproxy that cannot be told their number has one. */
export function environmentOf({ proxy }: Contestant, threads: Threads): Env {
  if (proxy.kind !== 'edgeproxy') return {};
  const isTold = threads > 1 || ENVIRONMENT_NAMES.includes(THREADS);
  return isTold ? { ...proxy.env, [THREADS]: String(threads) } : proxy.env;
}

/** The variables of a contestant that this version of edgeproxy does not know: with any, it cannot take part. */
export function unknownVariables(contestant: Contestant, threads: Threads): readonly string[] {
  const names = Object.keys(environmentOf(contestant, threads));
  return names.filter((name) => !ENVIRONMENT_NAMES.includes(name));
}
