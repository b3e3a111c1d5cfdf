import { AF, IPV6_V6ONLY, SO, SOL, TCP } from '../sys/constants.ts';
import type { Pointer, Sys } from '../sys/sys.ts';
import { must } from './errno.ts';

/** What may be set of the sockets; each has its reason in docs/engine.md. */
export interface TuningSettings {
  /** Congestion control towards clients; the host's own when absent. */
  readonly clientCongestion: string | undefined;
  /** Congestion control towards backends; the host's own when absent. */
  readonly backendCongestion: string | undefined;
  /** Delays acknowledgements until there is data to carry them. */
  readonly delaysAcks: boolean;
  readonly noDelay: boolean;
  /** Seconds that the kernel keeps a client to itself until its first byte; 0 is off. */
  readonly deferAcceptSecs: number;
  /** Clients with a first byte in their SYN that may wait; 0 is off. */
  readonly fastOpenQueue: number;
  readonly keepAliveSecs: number;
}

/** Sets the options of sockets. */
export class Tuning {
  readonly #sys: Sys;
  readonly #settings: TuningSettings;
  readonly #backendCongestion: CongestionControl | undefined;

  constructor(sys: Sys, settings: TuningSettings) {
    this.#sys = sys;
    this.#settings = settings;
    this.#backendCongestion = congestionOf(sys, settings.backendCongestion);
  }

  /**
   * Before it is bound; what is set here is inherited by the clients that are accepted. Throws what the kernel does
   * not grant.
   */
  ofListener(fd: number, family: number): void {
    const { noDelay, deferAcceptSecs, fastOpenQueue, keepAliveSecs, clientCongestion } = this.#settings;
    const set = (level: number, option: number, value: number, name: string): void =>
      void must(this.#sys.setOption(fd, level, option, value), `setsockopt ${name}`);
    if (family === AF.INET6) set(SOL.IPV6, IPV6_V6ONLY, 0, 'IPV6_V6ONLY');
    set(SOL.SOCKET, SO.REUSEADDR, 1, 'SO_REUSEADDR');
    set(SOL.SOCKET, SO.KEEPALIVE, 1, 'SO_KEEPALIVE');
    set(SOL.TCP, TCP.KEEPIDLE, keepAliveSecs, 'TCP_KEEPIDLE');
    if (noDelay) set(SOL.TCP, TCP.NODELAY, 1, 'TCP_NODELAY');
    if (deferAcceptSecs > 0) set(SOL.TCP, TCP.DEFER_ACCEPT, deferAcceptSecs, 'TCP_DEFER_ACCEPT');
    if (fastOpenQueue > 0) set(SOL.TCP, TCP.FASTOPEN, fastOpenQueue, 'TCP_FASTOPEN');
    must(congestionOf(this.#sys, clientCongestion)?.setOf(fd) ?? 0, 'setsockopt TCP_CONGESTION');
  }

  /** Whether acknowledgements to backends wait for data, as `Sys.dial` takes it. */
  get delaysAcks(): 0 | 1 {
    return this.#settings.delaysAcks ? 1 : 0;
  }

  /** While it connects. */
  ofBackend(fd: number): void {
    this.#backendCongestion?.setOf(fd);
  }

  /** A backend's side that is sent more than one segment. */
  sendAtOnce(fd: number): void {
    if (this.#settings.noDelay) this.#sys.setOption(fd, SOL.TCP, TCP.NODELAY, 1);
  }

  /** A backend's side that has lived for a while. */
  keepAlive(fd: number): void {
    this.#sys.setOption(fd, SOL.TCP, TCP.KEEPIDLE, this.#settings.keepAliveSecs);
    this.#sys.setOption(fd, SOL.SOCKET, SO.KEEPALIVE, 1);
  }

  /** Sends the acknowledgement that waits for data, and those to come at once: their receiver waits for them. */
  acknowledge(fd: number): void {
    if (this.#settings.delaysAcks) this.#sys.setOption(fd, SOL.TCP, TCP.QUICKACK, 1);
  }
}

/** One algorithm by its name, ready to be set. */
export class CongestionControl {
  readonly #sys: Sys;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #pointer: Pointer;

  constructor(sys: Sys, name: string) {
    this.#sys = sys;
    this.#bytes = new Uint8Array(new ArrayBuffer(name.length));
    new TextEncoder().encodeInto(name, this.#bytes);
    this.#pointer = sys.addressOf(this.#bytes.buffer);
  }

  setOf(fd: number): number {
    return this.#sys.setOptionAt(fd, SOL.TCP, TCP.CONGESTION, this.#pointer, this.#bytes.length);
  }
}

function congestionOf(sys: Sys, name: string | undefined): CongestionControl | undefined {
  return name === undefined ? undefined : new CongestionControl(sys, name);
}
