import type { ListenAddress } from './ports.ts';

/** Whether one of two listeners would take clients of the other: `0.0.0.0` is every IPv4 address, `::` is every one. */
export function overlap(one: ListenAddress, other: ListenAddress): boolean {
  return covers(one, other) || covers(other, one);
}

/** Whether a listener would take every client of another one. */
export function covers(wide: ListenAddress, narrow: ListenAddress): boolean {
  if (wide.port !== narrow.port || wide.port === 0) return false;
  if (wide.host === narrow.host || isEvery(wide.host)) return true;
  return wide.host === '0.0.0.0' && !narrow.host.includes(':');
}

function isEvery(host: string): boolean {
  return host.includes(':') && /^[0:]+$/.test(host);
}
