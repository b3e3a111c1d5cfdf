import { createHash, timingSafeEqual } from 'node:crypto';
import { mayDo, type Role, type RoleToken } from '../../domain/access.ts';
import { normalizeAddress, parseAddress } from '../../domain/address.ts';
import type { ListenAddress } from '../../domain/ports.ts';

/** What a request says about where it comes from; header values as they came. */
export interface RequestOrigin {
  readonly host: string | undefined;
  readonly fetchSite: string | undefined;
  readonly fetchMode: string | undefined;
  readonly fetchDest: string | undefined;
  readonly origin: string | undefined;
  /** It reads a file without a secret. */
  readonly isPage: boolean;
  /** The address and port of this machine that the request came in on. */
  readonly local: ListenAddress;
}

/** The names that a listener may be asked under beside its own addresses, and how to have others. */
export interface ServedHosts {
  /** `NAME` or `NAME:PORT`, lower case. */
  readonly names: readonly string[];
  /** Such as `EDGEPROXY_ADMIN_HOSTS adds others`. */
  readonly advice: string;
}

const LOOPBACK_FIRST_OCTET = 127;

/** Whether only this machine reaches the address. */
export function isLoopback(host: string): boolean {
  const address = parseAddress(host);
  if (address === undefined) return false;
  return address.family === 4 ? address.value >>> 24 === LOOPBACK_FIRST_OCTET : address.value === 1n;
}

function isAllowedHost(header: string, { host, port }: ListenAddress, names: readonly string[]): boolean {
  const given = header.toLowerCase();
  const url = URL.parse(`http://${given}`);
  if (url === null || ![url.host, `${url.host}:80`].includes(given)) return false;
  if (names.some((name) => name === url.hostname || name.replace(/:80$/, '') === url.host)) return true;
  const name = normalizeAddress(url.hostname.replace(/^\[(.*)\]$/, '$1'));
  // A tunnel or a port forward ends here under a port of its own. To rebind a name, a page needs a name.
  if (isLoopback(host)) return name === 'localhost' || isLoopback(name);
  return name === normalizeAddress(host) && Number(url.port || 80) === port;
}

function hostRefusal({ host }: ListenAddress, { names, advice }: ServedHosts): string {
  const own = isLoopback(host) ? 'localhost and loopback addresses' : normalizeAddress(host);
  return `this host name is not served here, only ${[own, ...names].join(', ')}; ${advice}`;
}

/** Somebody follows a link: the page is shown, and whoever made the link sees nothing of it. */
function isLinkToPage({ fetchMode, fetchDest, isPage }: RequestOrigin): boolean {
  return isPage && fetchMode === 'navigate' && fetchDest === 'document';
}

/**
 * Why a request is refused because of where it comes from; `undefined` when it may pass.
 *
 * The `Host` header has to name the address that the request came in on, or one of `hosts`: a page that has rebound
 * its own name to this address names itself. A browser must send the request for our own page, or for nobody's
 * (typed, bookmarked), or because of a link to a page. Source: Fetch Metadata (W3C), DNS rebinding.
 *
 * @param hosts `undefined` for a listener that may be asked under any name
 */
export function refusalOf(request: RequestOrigin, hosts: ServedHosts | undefined): string | undefined {
  const { host, fetchSite, origin, local } = request;
  if (hosts !== undefined && (host === undefined || !isAllowedHost(host, local, hosts.names))) {
    return hostRefusal(local, hosts);
  }
  if (fetchSite !== undefined && fetchSite !== 'same-origin' && fetchSite !== 'none') {
    if (!isLinkToPage(request)) return 'requests of other sites are not served';
  }
  if (origin !== undefined && URL.parse(origin)?.host !== URL.parse(`http://${host}`)?.host) {
    return 'requests of other origins are not served';
  }
  return undefined;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** What an `Authorization` header gives as a token; `undefined` for one of another scheme too. */
export function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
}

/**
 * The highest role that this is the token of; `undefined` when it is of none. Takes as long for every wrong token, and
 * compares with all.
 */
export function roleOf(bearer: string, tokens: readonly RoleToken[]): Role | undefined {
  const given = digest(bearer);
  const roles = tokens.filter(({ token }) => timingSafeEqual(given, digest(token))).map(({ role }) => role);
  return roles.reduce<Role | undefined>(
    (highest, role) => (highest !== undefined && mayDo(highest, role) ? highest : role),
    undefined,
  );
}
