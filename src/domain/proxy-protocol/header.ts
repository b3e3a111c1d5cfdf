/**
 * The PROXY protocol, versions 1 and 2: what a proxy says of its client before it hands on the client's first byte.
 *
 * Source: "The PROXY protocol", Willy Tarreau, https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt
 */

/** The connection that a header announces; addresses as four 32-bit words, IPv4 in its mapped form. */
export interface ProxyEndpoints {
  readonly source: Uint32Array;
  readonly sourcePort: number;
  readonly destination: Uint32Array;
  readonly destinationPort: number;
}

/** What a header says, apart from where it ends. */
export type ProxyAnnouncement =
  /** Relayed for a client with these endpoints. */
  | {
      readonly command: 'proxy';
      readonly transport: 'tcp4' | 'tcp6' | 'udp4' | 'udp6';
      readonly endpoints: ProxyEndpoints;
    }
  /** Relayed for a client that has no address of the internet: the real endpoints count. */
  | {
      readonly command: 'proxy';
      readonly transport: 'unspecified' | 'unix_stream' | 'unix_datagram';
      readonly endpoints: undefined;
    }
  /** Made by the proxy itself, a health check as a rule: the real endpoints count. */
  | { readonly command: 'local'; readonly transport: 'unspecified'; readonly endpoints: undefined };

/** A whole header at the beginning of the bytes. */
export type ProxyHeader = ProxyAnnouncement & {
  readonly kind: 'header';
  readonly version: 1 | 2;
  /** What it takes up; the client's own bytes follow. */
  readonly headerBytes: number;
  /**
   * The type-length-value vectors of version 2 as they came; empty in version 1 and of `local`. A view of the bytes
   * that were parsed: copy it before these are overwritten.
   */
  readonly tlvs: Uint8Array;
};

export const MALFORMED_REASONS = [
  /** It begins like neither version. */
  'signature',
  'too_long',
  /** Version 1: not the line that the specification describes. */
  'line',
  'version',
  'command',
  'family',
  /** Version 2: shorter than the addresses that it announces. */
  'length',
  'tlv',
  'checksum',
] as const;

export type MalformedReason = (typeof MALFORMED_REASONS)[number];

/** `problem` says what is wrong, as a sentence without its subject, the header. */
export interface MalformedHeader {
  readonly kind: 'malformed';
  readonly reason: MalformedReason;
  readonly problem: string;
}

/** All well so far; cannot be whole before there are `neededBytes` of it. */
export interface IncompleteHeader {
  readonly kind: 'incomplete';
  readonly neededBytes: number;
}

export type ParsedHeader = ProxyHeader | MalformedHeader | IncompleteHeader;

/** The longest line of version 1 with its end. */
export const LONGEST_V1_BYTES = 107;

export const SHORTEST_V1_BYTES = 'PROXY UNKNOWN\r\n'.length;

export const V1_START: Uint8Array = asciiBytes('PROXY ');

export const V2_SIGNATURE: Uint8Array = Uint8Array.of(13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10);

/** Signature, version and command, family and transport, length. */
export const V2_FIXED_BYTES = 16;

/** Of version 2, by family: source, destination, and their ports; a path of 108 bytes each for UNIX sockets. */
export const ADDRESS_BYTES = { unspecified: 0, inet: 12, inet6: 36, unix: 216 } as const;

export function malformed(reason: MalformedReason, problem: string): MalformedHeader {
  return { kind: 'malformed', reason, problem };
}

export function incomplete(neededBytes: number): IncompleteHeader {
  return { kind: 'incomplete', neededBytes };
}

export function asciiBytes(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
