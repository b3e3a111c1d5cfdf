import { CidrSet } from '../../domain/cidr-set.ts';
import type { ProxyHeader } from '../../domain/proxy-protocol/header.ts';
import { LONGEST_HEADER_BYTES, parseProxyHeader } from '../../domain/proxy-protocol/parse-header.ts';
import { type Announcement, announcementOf } from '../../domain/proxy-protocol/relayed-header.ts';
import type { IpAddress } from '../ip-address.ts';
import { FLAG } from './socket-table.ts';
import { StartReader, type StartReaderOptions } from './start-reader.ts';

export interface HeaderReaderOptions extends Pick<
  StartReaderOptions<ProxyHeader>,
  'sys' | 'table' | 'sockets' | 'clock' | 'bounds'
> {
  /** Networks from where every connection has to begin with one; from elsewhere it is the client's own data. */
  readonly trusted: readonly string[];
  /** The client's address, as far as one was announced, is in its row; what follows the header is still to be read. */
  readonly onHeader: (client: number, announcement: Announcement | undefined) => void;
  readonly onRefused: (client: number, problem: string) => void;
}

/** Reads the PROXY headers of trusted peers: until theirs has come they are no clients. */
export class HeaderReader extends StartReader<ProxyHeader> {
  #trusted: CidrSet | undefined;

  constructor(options: HeaderReaderOptions) {
    const { table, onHeader } = options;
    super({
      ...options,
      flag: FLAG.AWAITS_HEADER,
      mostBytes: LONGEST_HEADER_BYTES,
      parse: parseProxyHeader,
      onStart: (fd, header) => {
        // It is there, so all of it is received.
        this.receive(fd, header.headerBytes);
        const announcement = header.command === 'local' ? undefined : announcementOf(header);
        if (announcement?.endpoints !== undefined) {
          const { source, sourcePort } = announcement.endpoints;
          table.setAddress(fd, source);
          table.setOrigin(fd, sourcePort, table.appOf(fd));
        }
        onHeader(fd, announcement);
      },
    });
    this.trust(options.trusted);
  }

  /** Trusts other networks from now on; who is awaited has to go on as he was to begin. */
  trust(networks: readonly string[]): void {
    this.#trusted = networks.length === 0 ? undefined : new CidrSet(networks);
  }

  trusts(address: IpAddress): boolean {
    return this.#trusted !== undefined && this.#trusted.contains(address.words);
  }
}
