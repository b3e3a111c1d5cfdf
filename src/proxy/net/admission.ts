import type { RefusalReason } from '../../domain/outcome.ts';
import type { Introduction } from '../awaited-header.ts';
import { Connection } from '../connection.ts';
import { type ConnectionLimits, limitRefusalOf } from '../connection-limits.ts';
import type { ConnectionOptions } from '../connection-options.ts';
import type { IpAddress } from '../ip-address.ts';
import type { RateLimiter } from '../rate-limiter.ts';
import type { Guest, Handshakes } from './guest.ts';
import type { LiveList } from './live-list.ts';
import type { Wire } from './wire.ts';

const NOTHING = new Uint8Array();

export interface AdmissionOptions {
  readonly limiter: RateLimiter;
  readonly limits: ConnectionLimits;
  /** Absent where clients speak as they are. */
  readonly handshakes?: Handshakes;
  readonly live: LiveList;
  readonly connection: ConnectionOptions;
  /** Turns a client away. */
  readonly refuse: (client: Wire, reason: RefusalReason, address: IpAddress) => void;
  /** A client has gone that had no connection yet. */
  readonly onGone: (guest: Guest) => void;
}

/** Lets clients in whose address is known, or not: whatever goes by that comes here, before a backend is picked. */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  admit(client: Wire, address: IpAddress, introduction: Introduction | undefined): void {
    const { limiter, limits, handshakes, live, refuse } = this.#options;
    if (!limiter.admit(address.words)) return refuse(client, 'rate_limited', address);
    const counted = limits.enter(address.words);
    if (counted < 0) return refuse(client, limitRefusalOf(counted), address);
    if (handshakes === undefined) {
      const connection = new Connection(client, address, introduction, this.#options.connection);
      live.add(connection, { counted, client, announcement: introduction?.announcement });
      return connection.begin();
    }
    if (!handshakes.mayBegin()) {
      limits.leave(address.words, counted);
      return refuse(client, 'max_handshakes', address);
    }
    const handshake = this.#secure(handshakes, client, address, introduction);
    live.add(handshake, { counted, client, announcement: introduction?.announcement });
  }

  #secure(
    handshakes: Handshakes,
    client: Wire,
    address: IpAddress,
    introduction: Introduction | undefined,
  ): Guest {
    const { live, connection: options, onGone } = this.#options;
    const handshake: Guest = handshakes.begin(client, address, introduction?.surplus ?? NOTHING, {
      onSecured(wire) {
        const present = introduction && { ...introduction, surplus: NOTHING };
        const connection = new Connection(wire, address, present, options);
        live.replace(handshake, connection, wire);
        connection.begin();
      },
      onEnded: () => onGone(handshake),
    });
    return handshake;
  }
}
