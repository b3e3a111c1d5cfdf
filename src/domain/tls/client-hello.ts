/**
 * What a TLS client says first, read without answering it: whom it wants to speak to, and in which protocol.
 *
 * Sources: RFC 8446 (TLS 1.3) 4.1.2 and 5.1, RFC 5246 (TLS 1.2) 6.2.1 and 7.4.1.2, RFC 6066 (server name) 3,
 * RFC 7301 (ALPN) 3.1.
 */
export interface ClientHello {
  readonly kind: 'hello';
  /** In lower case; `undefined` when the client does not say, or says an address. */
  readonly serverName: string | undefined;
  /** Protocols of the application that the client offers, its favourite first. */
  readonly alpn: readonly string[];
}

export const HELLO_PROBLEMS = [
  /** It does not begin with a record of a handshake. */
  'not_tls',
  /** A record, or the message, has a length that cannot be. */
  'length',
  /** Longer than is taken. */
  'too_long',
  /** In more records than are taken. */
  'records',
  /** The handshake does not begin with the client's greeting. */
  'not_a_hello',
  /** A field of it goes beyond its end, or something is left over. */
  'field',
  /** The same extension twice. */
  'extension',
  /** A name that no host can have, or more than one. */
  'server_name',
  /** A protocol without a name. */
  'alpn',
] as const;

export interface MalformedHello {
  readonly kind: 'malformed';
  readonly reason: (typeof HELLO_PROBLEMS)[number];
  /** Goes on after "the client's greeting". */
  readonly problem: string;
}

/** All that has come belongs to a greeting that may be right; nothing new is to be seen before `neededBytes` of it. */
export interface IncompleteHello {
  readonly kind: 'incomplete';
  readonly neededBytes: number;
}

export type ParsedHello = ClientHello | MalformedHello | IncompleteHello;

/** More than any client sends: the largest have some 2 KiB, with keys that resist quantum computers. */
export const LONGEST_HELLO_BYTES = 16_384;

export function malformed(reason: MalformedHello['reason'], problem: string): MalformedHello {
  return { kind: 'malformed', reason, problem };
}
