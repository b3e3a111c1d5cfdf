import { createHash, timingSafeEqual } from 'node:crypto';
import { normalizeAddress, parseAddress } from '../../domain/address.ts';
import type { ListenAddress } from '../../domain/ports.ts';

/** What a request says about where it comes from; header values as they came. */
export interface RequestOrigin {
  readonly host: string | undefined;
  readonly fetchSite: string | undefined;
  readonly origin: string | undefined;
  /** The address and port of this machine that the request came in on. */
  readonly local: ListenAddress;
}

const LOOPBACK_FIRST_OCTET = 127;

/** Whether only this machine reaches the address. */
export function isLoopback(host: string): boolean {
  const address = parseAddress(host);
  if (address === undefined) return false;
  return address.family === 4 ? address.value >>> 24 === LOOPBACK_FIRST_OCTET : address.value === 1n;
}

function isAllowedHost(header: string, { host, port }: ListenAddress, hosts: readonly string[]): boolean {
  const given = header.toLowerCase();
  const url = URL.parse(`http://${given}`);
  if (url === null || url.host !== given.replace(/:80$/, '')) return false;
  if (hosts.some((allowed) => allowed === given || allowed === url.hostname)) return true;
  if (Number(url.port || 80) !== port) return false;
  const local = normalizeAddress(host);
  const name = normalizeAddress(url.hostname.replace(/^\[(.*)\]$/, '$1'));
  return name === local || (name === 'localhost' && isLoopback(local));
}

/**
 * Why a request is refused because of where it comes from; `undefined` when it may pass.
 *
 * The `Host` header has to name the address that the request came in on, or one of `hosts` (`NAME` or `NAME:PORT`,
 * lower case): a page that has rebound its own name to this address names itself. A browser must send the request
 * for our own page, or for nobody's (typed, bookmarked). Source: Fetch Metadata (W3C), DNS rebinding.
 */
export function refusalOf(request: RequestOrigin, hosts: readonly string[]): string | undefined {
  const { host, fetchSite, origin, local } = request;
  if (host === undefined || !isAllowedHost(host, local, hosts)) return 'this host name is not served here';
  if (fetchSite !== undefined && fetchSite !== 'same-origin' && fetchSite !== 'none') {
    return 'requests of other sites are not served';
  }
  if (origin !== undefined && URL.parse(origin)?.host !== URL.parse(`http://${host}`)?.host) {
    return 'requests of other origins are not served';
  }
  return undefined;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Whether an `Authorization` header carries the token; takes as long for every wrong one. */
export function hasToken(authorization: string | undefined, token: string): boolean {
  const given = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? '';
  return timingSafeEqual(digest(given), digest(token));
}
