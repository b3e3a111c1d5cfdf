import { EdgeProxyError } from '../errors.ts';
import type { ListenAddress } from './ports.ts';

const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process listens there; stop it or choose another port',
  EACCES: 'this user may not bind the port; choose one above 1023 or grant CAP_NET_BIND_SERVICE',
  EADDRNOTAVAIL: 'this machine has no such address; use one of its own, 0.0.0.0 or [::]',
  EAFNOSUPPORT: 'this machine has no such address family; use an IPv4 address',
};

/** `ERR_LISTEN` in one line: the setting, the address, and what to do. @param setting key of what gives the address */
export function listenError(
  setting: string,
  { host, port }: ListenAddress,
  error: Error & { readonly code?: string },
): EdgeProxyError {
  const where = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  const advice = ADVICE[error.code ?? ''] ?? error.message;
  return new EdgeProxyError('ERR_LISTEN', `${setting}: cannot listen on ${where}: ${advice}`, {
    cause: error,
    setting,
  });
}
