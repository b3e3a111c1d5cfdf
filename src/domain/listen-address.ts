import type { ListenAddress } from './ports.ts';

/** Whether one of two listeners would take clients of the other: `0.0.0.0` is every IPv4 address, `::` is every one. */
export function overlap(one: ListenAddress, other: ListenAddress): boolean {
  if (one.port !== other.port || one.port === 0) return false;
  if (one.host === other.host || isEvery(one.host) || isEvery(other.host)) return true;
  const isSameFamily = one.host.includes(':') === other.host.includes(':');
  return isSameFamily && (one.host === '0.0.0.0' || other.host === '0.0.0.0');
}

function isEvery(host: string): boolean {
  return host.includes(':') && /^[0:]+$/.test(host);
}
