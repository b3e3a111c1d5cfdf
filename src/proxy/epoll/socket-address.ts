import type { IpAddress } from '../ip-address.ts';
import { ENDPOINT_WORDS } from '../routes.ts';
import { AF } from '../sys/constants.ts';
import type { Pointer, Sys } from '../sys/sys.ts';

const IPV4_BYTES = 16;
const IPV6_BYTES = 28;
const MAPPED = 0xffff;

/** A `struct sockaddr_in` or `sockaddr_in6` in memory of its own, written for the kernel or filled by it. */
export class SocketAddress {
  readonly pointer: Pointer;
  readonly #view: DataView;

  constructor(sys: Sys) {
    const memory = new ArrayBuffer(IPV6_BYTES);
    this.#view = new DataView(memory);
    this.pointer = sys.addressOf(memory);
  }

  get family(): number {
    return this.#view.getUint16(0, true);
  }

  get port(): number {
    return this.#view.getUint16(2);
  }

  /** How many bytes of it count. */
  get length(): number {
    return this.family === AF.INET ? IPV4_BYTES : IPV6_BYTES;
  }

  /** Writes an endpoint; a mapped address as the IPv4 address that it stands for unless `isIpv6` says otherwise. */
  write(words: ArrayLike<number>, at: number, port: number, isIpv6 = false): void {
    const view = this.#view;
    const isIpv4 = !isIpv6 && words[at] === 0 && words[at + 1] === 0 && words[at + 2] === MAPPED;
    view.setUint16(0, isIpv4 ? AF.INET : AF.INET6, true);
    view.setUint16(2, port);
    // The address of IPv4; of IPv6 the flow, which is 0.
    view.setInt32(4, isIpv4 ? words[at + 3]! : 0);
    if (isIpv4) return;
    for (let word = 0; word < 4; word++) view.setInt32(8 + 4 * word, words[at + word]!);
    view.setInt32(24, 0);
  }

  /** Writes the endpoint of a row of a route table. */
  writeEndpoint(endpoints: Int32Array, row: number): void {
    const at = row * ENDPOINT_WORDS;
    this.write(endpoints, at, endpoints[at + 4]!);
  }

  /** Reads the address that the kernel has filled in. */
  readInto(address: IpAddress): void {
    const view = this.#view;
    if (this.family === AF.INET) address.setIpv4(view.getUint32(4));
    else address.set(view.getUint32(8), view.getUint32(12), view.getUint32(16), view.getUint32(20));
  }
}
