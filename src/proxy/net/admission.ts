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
import type { Guest } from './guest.ts';
import type { LiveList } from './live-list.ts';
import type { Wire } from './wire.ts';

export interface AdmissionOptions {
  readonly limiter: RateLimiter;
  readonly limits: ConnectionLimits;
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

/** Lets clients in whose address is known, or not: whatever goes by that comes here, before a backend is picked. */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  admit(client: Wire, origin: ClientOrigin, introduction: Introduction | undefined): void {
    const { limiter, limits, live, refuse } = this.#options;
    const { address, app } = origin;
    if (!limiter.admit(address.words)) return refuse(client, 'rate_limited', address);
    const counted = limits.enter(address.words);
    if (counted < 0) return refuse(client, limitRefusalOf(counted), address);
    if (app === BY_SERVER_NAME) return this.#await(client, address, introduction, counted);
    const connection = new Connection(client, origin, introduction, this.#options.connection);
    live.add(connection, { counted, client, announcement: introduction?.announcement });
    connection.begin();
  }

  /** Has the client's greeting say which app it comes for. */
  #await(client: Wire, address: IpAddress, introduction: Introduction | undefined, counted: number): void {
    const { live, hello, connection: options, serverNames, refuse, onEnded } = this.#options;
    const turnAway = (reason: RefusalReason, problem: string): void => {
      refuse(client, reason, address, problem);
      onEnded(greeting);
    };
    const greeting = new AwaitedHello(client, address, {
      hello,
      now: options.now,
      onHello({ serverName }, received) {
        const app = serverNames().find(serverName);
        if (app === undefined)
          return turnAway('unknown_server_name', `leads to no app: ${serverName ?? 'no name'}`);
        const begun: Introduction = {
          announcement: introduction?.announcement,
          surplus: received.bytes,
          get hasEnded() {
            return received.hasEnded;
          },
        };
        const connection = new Connection(client, { address, app: app.number }, begun, options);
        live.replace(greeting, connection);
        connection.begin();
      },
      onRefused: (problem) => turnAway('bad_client_hello', problem),
      onAborted() {
        options.counters.clientEnded();
        onEnded(greeting);
      },
    });
    live.add(greeting, { counted, client, announcement: introduction?.announcement });
    greeting.begin(
      introduction && {
        bytes: introduction.surplus,
        get hasEnded() {
          return introduction.hasEnded;
        },
      },
    );
  }
}
