import type { Socket } from 'node:net';
import type { Server, TLSSocket } from 'node:tls';
import type { HandshakeFailure, TlsIdentity, TlsVersion } from '../../domain/tls.ts';
import type { Logger, MonotonicClock } from '../../domain/ports.ts';
import type { HandshakeBounds } from '../engine-numbers.ts';
import type { IpAddress } from '../ip-address.ts';
import { DialClock } from '../net/dial-clock.ts';
import type { Guest, HandshakeHooks, Handshakes } from '../net/guest.ts';
import type { StreamWire } from '../net/stream-wire.ts';
import type { Wire } from '../net/wire.ts';
import type { HandshakeCounters } from './handshake-counters.ts';
import { handshakeFailureOf } from './handshake-failure.ts';
import { identityServer } from './identity-server.ts';
import { TlsHandshake } from './tls-handshake.ts';

export interface TlsHandshakesOptions {
  readonly identity: TlsIdentity;
  readonly counters: HandshakeCounters;
  /** Read anew each time. */
  readonly bounds: HandshakeBounds;
  readonly logger: Logger;
  readonly now: MonotonicClock;
}

/** Shakes hands with clients that were accepted by streams. */
export class TlsHandshakes implements Handshakes {
  readonly #options: TlsHandshakesOptions;
  readonly #clock: DialClock;
  readonly #bySocket = new WeakMap<Socket, TlsHandshake>();
  #server: Server;

  /** Throws when OpenSSL cannot use the identity. */
  constructor(options: TlsHandshakesOptions) {
    this.#options = options;
    this.#clock = new DialClock(options.now);
    this.#server = this.#serverOf(options.identity);
  }

  /** Shows this to clients from now on; handshakes under way go on as they began. Throws, and all is as before. */
  present(identity: TlsIdentity): void {
    this.#server = this.#serverOf(identity);
  }

  timeoutChanged(): void {
    this.#clock.deadlinesChanged();
  }

  get underWay(): number {
    return this.#options.counters.underWay;
  }

  mayBegin(): boolean {
    return this.#options.counters.tryBegin(this.#options.bounds.maxUnderWay);
  }

  begin(client: Wire, address: IpAddress, surplus: Uint8Array, hooks: HandshakeHooks): Guest {
    const wire = client as StreamWire;
    const { bounds, now } = this.#options;
    const handshake = new TlsHandshake(wire, {
      ...hooks,
      address,
      bounds,
      sinceMs: now(),
      onSettled: (settled, result) => this.#settled(settled, result),
    });
    this.#bySocket.set(wire.socket, handshake);
    this.#clock.add(handshake);
    if (surplus.length > 0) wire.socket.unshift(surplus);
    this.#server.emit('connection', wire.socket);
    return handshake;
  }

  #serverOf(identity: TlsIdentity): Server {
    const server = identityServer(identity);
    server.on('secureConnection', (socket) => this.#secured(socket));
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      // Node has looked at a certificate, and has closed the socket.
      const isUnauthorized = Boolean(socket.authorizationError);
      const reason = isUnauthorized ? 'client_certificate' : handshakeFailureOf(error);
      this.#handshakeOf(socket)?.fail(reason, isUnauthorized ? verdictOn(socket) : error.code);
    });
    return server;
  }

  #secured(socket: TLSSocket): void {
    const handshake = this.#handshakeOf(socket);
    if (showsBadCertificate(socket)) handshake?.fail('client_certificate', verdictOn(socket));
    else handshake?.secured(socket);
  }

  #settled(handshake: TlsHandshake, result: TLSSocket | HandshakeFailure): void {
    const { counters, logger } = this.#options;
    this.#clock.delete(handshake);
    if (typeof result !== 'string') return counters.done(versionOf(result), result.isSessionReused());
    counters.failed(result);
    const { address, failureDetail: detail } = handshake;
    logger.debug({ client: address.text, reason: result, detail }, 'handshake failed');
  }

  #handshakeOf(socket: TLSSocket): TlsHandshake | undefined {
    const { _parent: lower } = socket as unknown as { readonly _parent?: Socket };
    return lower && this.#bySocket.get(lower);
  }
}

function versionOf(socket: TLSSocket): TlsVersion {
  return socket.getProtocol() === 'TLSv1.2' ? '1.2' : '1.3';
}

/** What OpenSSL says of the certificate of a client, such as `CERT_HAS_EXPIRED`. */
function verdictOn({ authorizationError }: TLSSocket): string {
  return String(authorizationError);
}

/** Of one that need not show any. */
function showsBadCertificate(socket: TLSSocket): boolean {
  return !socket.authorized && socket.getPeerX509Certificate() !== undefined;
}
