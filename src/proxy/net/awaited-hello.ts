import { BY_SERVER_NAME } from '../apps.ts';
import type { ClientHello, ParsedHello } from '../../domain/tls/client-hello.ts';
import { parseClientHello } from '../../domain/tls/parse-client-hello.ts';
import type { MonotonicClock } from '../../domain/ports.ts';
import { AwaitedStart, type Received } from '../awaited-start.ts';
import type { IpAddress } from '../ip-address.ts';
import type { Guest } from './guest.ts';
import type { Wire } from './wire.ts';

export interface AwaitedHelloOptions {
  /** Time for it to come; read anew each time. */
  readonly hello: { readonly timeoutMs: number };
  readonly now: MonotonicClock;
  /** The wire is paused, and waits for another holder and reader. @param received the greeting, and what follows it */
  readonly onHello: (hello: ClientHello, received: Received) => void;
  /** It has begun with something else, or with nothing; its wire is closed. */
  readonly onRefused: (problem: string) => void;
  /** It has been ended before either. */
  readonly onAborted: () => void;
}

const parse = (bytes: Uint8Array): ParsedHello => parseClientHello(bytes);

/** A client that has been admitted, and whose TLS greeting has to say whose backends it is given. */
export class AwaitedHello implements Guest {
  readonly app = BY_SERVER_NAME;
  readonly address: IpAddress;
  readonly place = undefined;
  readonly phase = 'dialling';
  readonly #start: AwaitedStart<ClientHello>;
  readonly #onAborted: () => void;

  constructor(client: Wire, address: IpAddress, options: AwaitedHelloOptions) {
    const { hello: bounds, now, onHello, onRefused, onAborted } = options;
    this.address = address;
    this.#onAborted = onAborted;
    this.#start = new AwaitedStart(client, { bounds, now, parse, onStart: onHello, onRefused });
  }

  /** To be called once. @param received what somebody else has read before; nothing when absent */
  begin(received: Received | undefined): void {
    this.#start.begin(received);
  }

  abort(): void {
    if (this.#start.abort()) this.#onAborted();
  }

  /** The time that it is given may have changed. */
  check(): void {
    this.#start.timeoutChanged();
  }

  /** It has none. */
  leaveBackend(): void {}
}
