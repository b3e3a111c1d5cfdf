import { z } from 'zod';
import { amount, STATIC } from './setting-types.ts';

const algorithm = (env: string, description: string) =>
  z
    .string()
    .regex(/^[a-z][a-z0-9_-]{0,14}$/, 'expected the name of a congestion control such as cubic or bbr')
    .optional()
    .meta({ env, reload: STATIC, description });

const onByDefault = (env: string, description: string) =>
  z.boolean().default(true).meta({ env, reload: STATIC, description });

export const engine = z.enum(['auto', 'epoll', 'net']).default('auto').meta({
  env: 'EDGEPROXY_ENGINE',
  reload: STATIC,
  description:
    'What relays: `epoll` (threads on Linux), `net` (one thread, anywhere), or `auto` for the first that works.',
});

const MOST_THREADS = 256;

/** The kernel takes a pipe's size as 31 bits. */
const LARGEST_PIPE_KIB = 1_048_576;

export const threads = amount(
  'EDGEPROXY_THREADS',
  STATIC,
  0,
  0,
  'Data threads of the epoll engine; 0 is one for each core.',
  undefined,
  MOST_THREADS,
);

export const syscalls = z.enum(['auto', 'addon', 'ffi']).default('auto').meta({
  env: 'EDGEPROXY_SYSCALLS',
  reload: STATIC,
  description:
    'How the epoll engine calls the kernel: compiled `addon`, `node:ffi`, or `auto` for the first that works.',
});

export const tcp = z
  .strictObject({
    congestion: algorithm(
      'EDGEPROXY_TCP_CONGESTION',
      "Congestion control towards clients and backends; default: the host's.",
    ),
    backend_congestion: algorithm(
      'EDGEPROXY_TCP_BACKEND_CONGESTION',
      'Congestion control towards backends, where it is to be another one.',
    ),
    no_delay: onByDefault('EDGEPROXY_TCP_NO_DELAY', 'Send small segments at once (`TCP_NODELAY`).'),
    delay_acks: onByDefault(
      'EDGEPROXY_TCP_DELAY_ACKS',
      'Let acknowledgements to backends wait for data to carry them.',
    ),
    cork_ends: onByDefault(
      'EDGEPROXY_TCP_CORK_ENDS',
      'Send the last bytes and the FIN as one segment (`MSG_MORE`).',
    ),
    splice: onByDefault('EDGEPROXY_TCP_SPLICE', 'Move bulk through pipes inside the kernel.'),
    pipe_kib: amount(
      'EDGEPROXY_TCP_PIPE_KIB',
      STATIC,
      1_024,
      4,
      'Size of such a pipe.',
      'KiB',
      LARGEST_PIPE_KIB,
    ),
    defer_accept_secs: amount(
      'EDGEPROXY_TCP_DEFER_ACCEPT_SECS',
      STATIC,
      0,
      0,
      'Leave clients to the kernel until they have sent something (`TCP_DEFER_ACCEPT`); 0 is off. Not for protocols where the server speaks first.',
      's',
    ),
    fast_open_queue: amount(
      'EDGEPROXY_TCP_FAST_OPEN_QUEUE',
      STATIC,
      0,
      0,
      'Clients that may send data with their first segment (TCP Fast Open); 0 is off.',
    ),
  })
  .prefault({});
