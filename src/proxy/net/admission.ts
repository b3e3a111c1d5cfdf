import type { RefusalReason } from '../../domain/outcome.ts';
import type { ServerNames } from '../../domain/tls/server-names.ts';
import { type App, BY_SERVER_NAME } from '../apps.ts';
import { Connection } from '../connection.ts';
import { type ConnectionLimits, limitRefusalOf } from '../connection-limits.ts';
import type { ConnectionOptions } from '../connection-options.ts';
import type { Introduction } from '../introduction.ts';
import type { IpAddress } from '../ip-address.ts';
import type { RateLimiter } from '../rate-limiter.ts';
import type { ClientOrigin } from '../reception.ts';
import { AwaitedHello } from './awaited-hello.ts';
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
  /** Time for a TLS greeting; read anew each time. */
  readonly hello: { readonly timeoutMs: number };
  readonly serverNames: () => ServerNames<App>;
  /** Turns a client away. */
  readonly refuse: (client: Wire, reason: RefusalReason, address: IpAddress, detail?: string) => void;
  /** Everything that a client held that had no connection yet is released. */
  readonly onEnded: (guest: Guest) => void;
}

/** A client on its way from its admission to its connection. */
interface Newcomer {
  readonly client: Wire;
  readonly address: IpAddress;
  readonly introduction: Introduction | undefined;
}

/** Lets clients in whose address is known, or not: whatever goes by that comes here, before a backend is picked. */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  admit(client: Wire, origin: ClientOrigin, introduction: Introduction | undefined): void {
    const { limiter, limits, handshakes, live, refuse } = this.#options;
    const { address, app } = origin;
    if (!limiter.admit(address.words)) return refuse(client, 'rate_limited', address);
    const counted = limits.enter(address.words);
    if (counted < 0) return refuse(client, limitRefusalOf(counted), address);
    const known = { counted, client, announcement: introduction?.announcement };
    const newcomer = { client, address, introduction };
    if (handshakes !== undefined) {
      if (handshakes.mayBegin()) return live.add(this.#secure(handshakes, newcomer), known);
      limits.leave(address.words, counted);
      return refuse(client, 'max_handshakes', address);
    }
    if (app === BY_SERVER_NAME) {
      const greeting = this.#greet(newcomer);
      live.add(greeting, known);
      return greeting.begin(introduction && receivedOf(introduction));
    }
    const connection = new Connection(client, origin, introduction, this.#options.connection);
    live.add(connection, known);
    connection.begin();
  }

  #secure(handshakes: Handshakes, { client, address, introduction }: Newcomer): Guest {
    const handshake: Guest = handshakes.begin(client, address, introduction?.surplus ?? NOTHING, {
      onSecured: (wire, serverName) => {
        const present = introduction && { ...introduction, surplus: NOTHING };
        this.#goOn(handshake, { client: wire, address, introduction: present }, serverName);
      },
      onEnded: () => this.#gone(handshake),
    });
    return handshake;
  }

  /** Has the client's greeting say which app it comes for. */
  #greet({ client, address, introduction }: Newcomer): AwaitedHello {
    const { hello, connection, refuse, onEnded } = this.#options;
    const greeting = new AwaitedHello(client, address, {
      hello,
      now: connection.now,
      onHello: ({ serverName }, received) => {
        const begun: Introduction = {
          announcement: introduction?.announcement,
          surplus: received.bytes,
          get hasEnded() {
            return received.hasEnded;
          },
        };
        this.#goOn(greeting, { client, address, introduction: begun }, serverName);
      },
      onRefused(problem) {
        refuse(client, 'bad_client_hello', address, problem);
        onEnded(greeting);
      },
      onAborted: () => this.#gone(greeting),
    });
    return greeting;
  }

  /** Gives a client a backend by the name that it has asked for. */
  #goOn(guest: Guest, { client, address, introduction }: Newcomer, serverName: string | undefined): void {
    const { live, connection: options, serverNames, refuse, onEnded } = this.#options;
    const app = serverNames().find(serverName);
    if (app === undefined) {
      refuse(client, 'unknown_server_name', address, `leads to no app: ${serverName ?? 'no name'}`);
      return onEnded(guest);
    }
    const connection = new Connection(client, { address, app: app.number }, introduction, options);
    live.replace(guest, connection, client);
    connection.begin();
  }

  #gone(guest: Guest): void {
    this.#options.connection.counters.clientEnded();
    this.#options.onEnded(guest);
  }
}

function receivedOf(introduction: Introduction) {
  return {
    bytes: introduction.surplus,
    get hasEnded() {
      return introduction.hasEnded;
    },
  };
}
