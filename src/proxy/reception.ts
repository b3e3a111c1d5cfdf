import { CidrSet } from '../domain/cidr-set.ts';
import type { MonotonicClock } from '../domain/ports.ts';
import type { ProxyHeader } from '../domain/proxy-protocol/header.ts';
import { parseProxyHeader } from '../domain/proxy-protocol/parse-header.ts';
import { announcementOf } from '../domain/proxy-protocol/relayed-header.ts';
import { AwaitedStart, type Received } from './awaited-start.ts';
import type { Introduction } from './introduction.ts';
import { IpAddress } from './ip-address.ts';
import type { Wire } from './net/wire.ts';

/** Who a client is, and by number of which app. */
export interface ClientOrigin {
  readonly address: IpAddress;
  readonly app: number;
}

export interface ReceptionOptions {
  /** Read anew each time. */
  readonly header: { readonly timeoutMs: number };
  readonly now: MonotonicClock;
  /** Networks from where every connection has to begin with a header; from elsewhere it is the client's own data. */
  readonly trusted: readonly string[];
  /** Who it is, is known. @param introduction absent where nobody is trusted to announce it */
  readonly onClient: (client: Wire, origin: ClientOrigin, introduction: Introduction | undefined) => void;
  /** A trusted peer has not said, as it should have, for whom it speaks; its connection is closed. */
  readonly onRefused: (peer: IpAddress, problem: string) => void;
  /** Somebody who was waited for has gone on, or away. */
  readonly onSettled: () => void;
}

/** Finds out who has been accepted: the peer itself, or whom a trusted peer announces. */
export class Reception {
  readonly #options: ReceptionOptions;
  #trusted: CidrSet | undefined;
  readonly #awaited = new Set<AwaitedStart<ProxyHeader>>();

  constructor(options: ReceptionOptions) {
    this.#options = options;
    this.trust(options.trusted);
  }

  /** Trusts other networks from now on; who is awaited has to go on as he was to begin. */
  trust(networks: readonly string[]): void {
    this.#trusted = networks.length === 0 ? undefined : new CidrSet(networks);
  }

  timeoutChanged(): void {
    for (const awaited of this.#awaited) awaited.timeoutChanged();
  }

  /** How many are waited for. */
  get size(): number {
    return this.#awaited.size;
  }

  /** @param peer with the app of the listener */
  receive(client: Wire, peer: ClientOrigin): void {
    const { onClient, onRefused, onSettled, header: bounds, now } = this.#options;
    if (this.#trusted?.contains(peer.address.words) !== true) return onClient(client, peer, undefined);
    const awaited = new AwaitedStart<ProxyHeader>(client, {
      bounds,
      now,
      parse: (bytes) => parseProxyHeader(bytes, bytes.length),
      onStart: (header, received) => {
        this.#awaited.delete(awaited);
        const introduction = introductionOf(header, received);
        onClient(client, { ...peer, address: addressOf(introduction) ?? peer.address }, introduction);
        onSettled();
      },
      onRefused: (problem) => {
        this.#awaited.delete(awaited);
        onRefused(peer.address, problem);
        onSettled();
      },
    });
    this.#awaited.add(awaited);
    awaited.begin();
  }

  /** Ends all that are waited for. @returns how many */
  abandon(): number {
    const { size } = this.#awaited;
    for (const awaited of this.#awaited) awaited.abort();
    this.#awaited.clear();
    return size;
  }
}

function introductionOf(header: ProxyHeader, received: Received): Introduction {
  return {
    announcement: header.command === 'local' ? undefined : announcementOf(header),
    surplus: received.bytes.subarray(header.headerBytes),
    get hasEnded() {
      return received.hasEnded;
    },
  };
}

function addressOf({ announcement }: Introduction): IpAddress | undefined {
  if (announcement?.endpoints === undefined) return undefined;
  const address = new IpAddress();
  const [first, second, third, fourth] = announcement.endpoints.source;
  address.set(first!, second!, third!, fourth!);
  return address;
}
