import { BY_SERVER_NAME } from '../apps.ts';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { HandshakeFailure } from '../../domain/tls.ts';
import type { IpAddress } from '../ip-address.ts';
import type { TimedDial } from '../net/dial-clock.ts';
import type { Guest, HandshakeHooks } from '../net/guest.ts';
import { StreamWire } from '../net/stream-wire.ts';
import type { WireHolder } from '../net/wire.ts';

export interface TlsHandshakeOptions extends HandshakeHooks {
  readonly address: IpAddress;
  /** When it began. */
  readonly sinceMs: number;
  /** Read anew each time. */
  readonly bounds: { readonly timeoutMs: number };
  /** Told once. */
  readonly onSettled: (handshake: TlsHandshake, result: TLSSocket | HandshakeFailure) => void;
}

/**
 * A client that shakes hands.
 *
 *     under way ─► secured: goes on as a connection
 *             └──► failed, too late, aborted, or gone ─► socket closed ─► ended
 */
export class TlsHandshake implements Guest, WireHolder, TimedDial {
  readonly app = BY_SERVER_NAME;
  readonly address: IpAddress;
  readonly phase = 'dialling';
  readonly place = undefined;
  readonly #options: TlsHandshakeOptions;
  readonly #socket: Socket;
  /** More about why it has failed, where that is known. */
  failureDetail: string | undefined;
  #state: 'under way' | 'secured' | 'failed' = 'under way';

  constructor(client: StreamWire, options: TlsHandshakeOptions) {
    this.address = options.address;
    this.#options = options;
    this.#socket = client.socket;
    // Who ends before the handshake does has nothing to wait for.
    this.#socket.allowHalfOpen = false;
    client.hold(this);
  }

  get dialDeadlineMs(): number {
    return this.#options.sinceMs + this.#options.bounds.timeoutMs;
  }

  secured(socket: TLSSocket): void {
    if (this.#state !== 'under way') return;
    this.#state = 'secured';
    for (const stream of [socket, this.#socket]) stream.allowHalfOpen = true;
    this.#options.onSettled(this, socket);
    const { servername } = socket;
    const name = typeof servername === 'string' ? servername.toLowerCase() : undefined;
    this.#options.onSecured(new StreamWire(socket, this.#socket), name);
  }

  /** Closes the socket, unless it is closed already. */
  fail(reason: HandshakeFailure, detail?: string): void {
    if (this.#state !== 'under way') return;
    this.failureDetail = detail;
    this.#state = 'failed';
    this.#options.onSettled(this, reason);
    this.#socket.destroy();
  }

  dialExpired(): void {
    this.fail('timeout');
  }

  abort(): void {
    this.fail('aborted');
  }

  closed(): void {
    // Else its connection has a wire of its own.
    if (this.#state === 'secured') return;
    // Node tells why it has closed the socket when that is closed.
    setImmediate(() => {
      this.fail('ended');
      this.#options.onEnded();
    });
  }

  // It holds no place, has a deadline of its own, and dials nobody.
  leaveBackend(): void {}
  check(): void {}
  connected(): void {}
  dialFailed(): void {}
}
