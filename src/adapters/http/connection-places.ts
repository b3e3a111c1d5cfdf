import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { parseAddress } from '../../domain/address.ts';

export interface PlaceLimits {
  /** Connections at one time. */
  readonly maxConnections: number;
  /** Connections of one address, or of one IPv6 network of 64 bits. */
  readonly maxPerAddress: number;
}

interface Place {
  readonly source: string;
  /** Requests under way that were let in. */
  held: number;
}

const HOST_BITS = 64n;

/** Who a client is: an IPv6 host has a whole network of addresses to itself. */
function sourceOf({ remoteAddress = '' }: Socket): string {
  const address = parseAddress(remoteAddress);
  if (address === undefined) return remoteAddress;
  return address.family === 4 ? String(address.value) : `${address.value >> HOST_BITS}/64`;
}

/**
 * The connections of a listener that has few places. Whoever is being answered a request that was let in keeps its
 * place; all others give way to who comes, the one that has waited longest first, so that idle connections of people
 * who may do nothing here lock nobody out.
 */
export class ConnectionPlaces {
  readonly #limits: PlaceLimits;
  /** Those that have waited longest are first. */
  readonly #places = new Map<Socket, Place>();

  constructor(limits: PlaceLimits) {
    this.#limits = limits;
  }

  /** Gives a new connection a place, if there is one to be had. */
  enter(socket: Socket): boolean {
    const source = sourceOf(socket);
    const { maxConnections, maxPerAddress } = this.#limits;
    const ofSource = [...this.#places.values()].filter((place) => place.source === source).length;
    if (ofSource >= maxPerAddress && !this.#makeRoom((place) => place.source === source)) return false;
    if (this.#places.size >= maxConnections && !this.#makeRoom(() => true)) return false;
    this.#places.set(socket, { source, held: 0 });
    socket.once('close', () => this.#places.delete(socket));
    return true;
  }

  /** Keeps the place of a connection until it has been answered. */
  hold(socket: Socket, response: ServerResponse): void {
    const place = this.#places.get(socket);
    if (place === undefined) return;
    place.held += 1;
    response.once('close', () => {
      place.held -= 1;
      if (!this.#places.delete(socket)) return;
      this.#places.set(socket, place);
    });
  }

  #makeRoom(mayGo: (place: Place) => boolean): boolean {
    for (const [socket, place] of this.#places) {
      if (place.held > 0 || !mayGo(place)) continue;
      this.#places.delete(socket);
      socket.destroy();
      return true;
    }
    return false;
  }
}
