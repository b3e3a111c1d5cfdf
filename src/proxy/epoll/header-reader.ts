import { CidrSet } from '../../domain/cidr-set.ts';
import type { ProxyHeader } from '../../domain/proxy-protocol/header.ts';
import { LONGEST_HEADER_BYTES, parseProxyHeader } from '../../domain/proxy-protocol/parse-header.ts';
import { type Announcement, announcementOf } from '../../domain/proxy-protocol/relayed-header.ts';
import type { IpAddress } from '../ip-address.ts';
import type { Pointer, Sys } from '../sys/sys.ts';
import type { LoopClock } from './clock.ts';
import { DialList } from './dial-list.ts';
import { AGAIN, errorNameOf } from './errno.ts';
import { CELL, FLAG, type SocketTable } from './socket-table.ts';
import type { Sockets } from './sockets.ts';

export interface HeaderReaderOptions {
  /** Networks from where every connection has to begin with one; from elsewhere it is the client's own data. */
  readonly trusted: readonly string[];
  /** Time for one to come; read anew each time. */
  readonly header: { readonly timeoutMs: number };
  readonly sys: Sys;
  readonly table: SocketTable;
  readonly sockets: Sockets;
  readonly clock: LoopClock;
  /** The client's address, as far as one was announced, is in its row; what follows the header is still to be read. */
  readonly onHeader: (client: number, announcement: Announcement | undefined) => void;
  readonly onRefused: (client: number, problem: string) => void;
}

/**
 * Reads the PROXY headers of trusted peers.
 *
 *     await ─► look ─► header ─► client      a look takes nothing out of the socket: what has come of a header
 *               ▲ │ incomplete               waits in the kernel, and the bytes behind it stay there for the relay
 *               └─┘ for the next segment
 *
 * Until then a peer is no client: it is neither swept nor cut, and is nowhere but in its row.
 */
export class HeaderReader {
  readonly #options: HeaderReaderOptions;
  readonly #table: SocketTable;
  #trusted: CidrSet | undefined;
  readonly #awaited: DialList;
  readonly #memory = new ArrayBuffer(LONGEST_HEADER_BYTES);
  readonly #bytes = new Uint8Array(this.#memory);
  readonly #buffer: Pointer;

  constructor(options: HeaderReaderOptions) {
    this.#options = options;
    this.#table = options.table;
    this.trust(options.trusted);
    this.#buffer = options.sys.addressOf(this.#memory);
    this.#awaited = new DialList(
      options.table,
      (fd) => this.#timeLeft(fd),
      CELL.NEXT_AWAITED,
      CELL.PREVIOUS_AWAITED,
    );
  }

  /** Trusts other networks from now on; who is awaited has to go on as he was to begin. */
  trust(networks: readonly string[]): void {
    this.#trusted = networks.length === 0 ? undefined : new CidrSet(networks);
  }

  trusts(address: IpAddress): boolean {
    return this.#trusted !== undefined && this.#trusted.contains(address.words);
  }

  /** Takes a client over that has just been accepted. */
  await(fd: number): void {
    const { sockets, clock } = this.#options;
    this.#table.unmark(fd, FLAG.CLIENT);
    this.#table.mark(fd, FLAG.AWAITS_HEADER);
    this.#table.set(fd, CELL.SINCE, clock.tick);
    this.#awaited.insert(fd);
    // Mostly it has come with the first segment, and is not waited for.
    this.#look(fd, false, false);
    const watched = this.#table.has(fd, FLAG.AWAITS_HEADER) ? sockets.watchReads(fd) : 0;
    if (watched < 0) this.#refuse(fd, `cannot be awaited: ${errorNameOf(watched)}`);
  }

  /** Something has come. @param isAll and nothing will come any more */
  look(fd: number, isAll: boolean): void {
    this.#look(fd, isAll, true);
  }

  #look(fd: number, isAll: boolean, isWatched: boolean): void {
    const { sys } = this.#options;
    const count = sys.peek(fd, this.#buffer, LONGEST_HEADER_BYTES);
    if (count === AGAIN) return;
    if (count < 0) return this.#refuse(fd, `does not come: ${errorNameOf(count)}`);
    if (count === 0) return this.#refuse(fd, 'does not come before the end');
    const parsed = parseProxyHeader(this.#bytes, count);
    if (parsed.kind === 'header') this.#take(fd, parsed, isWatched);
    else if (parsed.kind === 'malformed') this.#refuse(fd, parsed.problem);
    else if (isAll) this.#refuse(fd, 'ends before it is whole');
  }

  /** Milliseconds until the next header has not come in time; -1 when none is awaited. */
  nextTimeoutMs(): number {
    const first = this.#awaited.first;
    return first < 0 ? -1 : Math.max(0, this.#timeLeft(first));
  }

  /** Turns those away whose header has not come in time. */
  expire(): void {
    const { timeoutMs } = this.#options.header;
    for (let fd = this.#awaited.first; fd >= 0 && this.#timeLeft(fd) <= 0; fd = this.#awaited.first)
      this.#refuse(fd, `does not come within ${timeoutMs} ms`);
  }

  /** Ends all that are waited for. */
  abandon(): void {
    for (let fd = this.#awaited.first; fd >= 0; fd = this.#awaited.first) {
      this.#awaited.remove(fd);
      this.#options.sockets.closeClient(fd, false);
    }
  }

  #timeLeft(fd: number): number {
    const { clock, header } = this.#options;
    return header.timeoutMs - clock.since(this.#table.get(fd, CELL.SINCE));
  }

  #take(fd: number, header: ProxyHeader, isWatched: boolean): void {
    const { sys, sockets, onHeader } = this.#options;
    const announcement = header.command === 'local' ? undefined : announcementOf(header);
    // It is there, so all of it is received.
    sys.recv(fd, this.#buffer, header.headerBytes);
    this.#awaited.remove(fd);
    if (isWatched) sockets.unwatch(fd);
    this.#table.unmark(fd, FLAG.AWAITS_HEADER);
    this.#table.mark(fd, FLAG.CLIENT);
    if (announcement?.endpoints !== undefined) {
      this.#table.setAddress(fd, announcement.endpoints.source);
      this.#table.setOrigin(fd, announcement.endpoints.sourcePort, this.#table.appOf(fd));
    }
    onHeader(fd, announcement);
  }

  #refuse(fd: number, problem: string): void {
    this.#awaited.remove(fd);
    this.#options.onRefused(fd, problem);
  }
}
