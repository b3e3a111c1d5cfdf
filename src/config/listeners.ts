import { isDeepStrictEqual } from 'node:util';
import { overlap } from '../domain/listen-address.ts';
import type { ListenAddress } from '../domain/ports.ts';
import type { Settings } from './schema.ts';
import { parseListenAddress } from './setting-types.ts';

/** The listeners that settings want, by the key of their address: of a route such as `routes[0].listen_addr`. */
export function listenersOf(settings: Settings): ReadonlyMap<string, ListenAddress> {
  const sides = (['metrics', 'admin', 'tls', 'api'] as const)
    .filter((name) => settings[name].enabled)
    .map((name) => [`${name}.listen_addr`, settings[name].listen_addr] as const);
  const routes = settings.routes.map(
    ({ listen_addr: text }, index) => [`routes[${index}].listen_addr`, text] as const,
  );
  const all = [['listen_addr', settings.listen_addr] as const, ...sides, ...routes];
  return new Map(all.map(([key, text]) => [key, parseListenAddress(text)!]));
}

/** What a change of addresses comes to, by the keys of these. `listen_addr` stands for the routes beside it as well. */
export interface ListenerMoves {
  /** Those that can move, in an order in which each finds its new address left by who had it. */
  readonly order: readonly string[];
  /** Those that cannot: somebody keeps what they want. */
  readonly stuck: readonly string[];
}

/**
 * In which order listeners can move in a running daemon.
 *
 * A listener binds its new address before it leaves the old one. So two that want each other's address are both stuck,
 * and so is who wants what a stuck or a fixed one has. Those of the proxy move together.
 *
 * @param isFixed whether one stays where it is, whatever is wanted
 */
export function listenerMoves(
  running: Settings,
  next: Settings,
  isFixed: (key: string) => boolean = () => false,
): ListenerMoves {
  const held = new Map(unitsOf(running));
  const wanted = unitsOf(next);
  const waiting = new Set(
    [...new Set([...held.keys(), ...wanted.keys()])].filter(
      (key) => !isFixed(key) && !isDeepStrictEqual(held.get(key), wanted.get(key)),
    ),
  );
  // Listeners of the epoll engine share their port with each other.
  const mayOverlapItself = (key: string): boolean => key === 'listen_addr' && running.engine !== 'net';
  const isTaken = (key: string): boolean => {
    const own = held.get(key) ?? [];
    // What it keeps, it does not bind.
    const bound = (wanted.get(key) ?? []).filter(
      (one) => !own.some((other) => isDeepStrictEqual(one, other)),
    );
    return [...held].some(
      ([other, taken]) =>
        !(other === key && mayOverlapItself(key)) &&
        bound.some((one) => taken.some((address) => overlap(one, address))),
    );
  };
  const order: string[] = [];
  for (;;) {
    const key = [...waiting].find((one) => !isTaken(one));
    if (key === undefined) return { order, stuck: [...waiting] };
    waiting.delete(key);
    order.push(key);
    const addresses = wanted.get(key);
    if (addresses === undefined) held.delete(key);
    else held.set(key, addresses);
  }
}

/** The addresses of what moves at one time. */
function unitsOf(settings: Settings): ReadonlyMap<string, readonly ListenAddress[]> {
  const units = new Map<string, readonly ListenAddress[]>();
  for (const [key, address] of listenersOf(settings)) {
    const unit = key.startsWith('routes[') ? 'listen_addr' : key;
    units.set(unit, [...(units.get(unit) ?? []), address]);
  }
  return units;
}
