import { messageOf } from '../../errors.ts';

/** What a broken probe says about its backend, in words for an operator. */
const OF_BACKEND: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'refused',
  ECONNRESET: 'connection reset',
  ECONNABORTED: 'connection reset',
  EPIPE: 'connection reset',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'host unreachable',
  EHOSTDOWN: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ENETDOWN: 'network unreachable',
  ENOTFOUND: 'no such host name',
  HPE_HEADER_OVERFLOW: 'response headers too large',
};

const OF_DAEMON: Readonly<Record<string, string>> = {
  EMFILE: 'this process has no file descriptor left',
  ENFILE: 'this machine has no file descriptor left',
  EADDRNOTAVAIL: 'this machine has no local port or address left for it',
  EADDRINUSE: 'this machine has no local port or address left for it',
  ENOBUFS: 'this machine has no memory left for sockets',
  ENOMEM: 'this machine has no memory left for sockets',
  EACCES: 'this machine does not permit it',
  EPERM: 'this machine does not permit it',
  EAFNOSUPPORT: 'this machine lacks the address family',
  EAI_AGAIN: 'this machine cannot resolve host names at the moment',
};

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/**
 * Why the backend failed a probe, or `undefined` when the error says nothing about it: then the daemon itself lacks
 * descriptors, ports, memory or permission.
 */
export function failureOfBackend(error: unknown): string | undefined {
  const code = codeOf(error);
  const known = OF_BACKEND[code];
  if (known !== undefined) return known;
  return code.startsWith('HPE_') ? 'answered something that is not HTTP' : undefined;
}

/** The daemon's own trouble, said so that nobody looks for it at the backend; the origin is its `cause`. */
export function troubleOfDaemon(error: unknown): Error {
  const code = codeOf(error);
  const known = OF_DAEMON[code];
  const why = known === undefined ? messageOf(error) : `${known} (${code})`;
  return new Error(`probe not sent: ${why}`, { cause: error });
}
