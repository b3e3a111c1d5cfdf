import { parseAddress } from '../address.ts';
import { ByteReader, TooShort } from './byte-reader.ts';
import {
  type ClientHello,
  LONGEST_HELLO_BYTES,
  malformed,
  type MalformedHello,
  type ParsedHello,
} from './client-hello.ts';
import { gatherHandshake } from './gather-handshake.ts';
import { isHostName } from './server-names.ts';

const CLIENT_HELLO = 1;
const RANDOM_BYTES = 32;
const EXTENSION = { serverName: 0, alpn: 16 } as const;
const HOST_NAME = 0;

/**
 * Reads the greeting that a connection begins with, in one record or several.
 *
 * What has come so far is parsed from its first byte each time, so the caller keeps no state but the bytes, and need not
 * ask again before the bytes are there that are needed: a wrong byte is malformed as soon as the part that it is in is
 * here.
 *
 * @param bytes what the connection began with
 * @param maxBytes a longer greeting, records included, is malformed
 */
export function parseClientHello(bytes: Uint8Array, maxBytes = LONGEST_HELLO_BYTES): ParsedHello {
  const handshake = gatherHandshake(bytes, maxBytes);
  if (handshake.kind === 'malformed') return handshake;
  const { message, neededBytes } = handshake;
  if (message.length > 0 && message[0] !== CLIENT_HELLO)
    return malformed('not_a_hello', `is a handshake message of type ${message[0]}: expected ${CLIENT_HELLO}`);
  if (neededBytes > 0) return { kind: 'incomplete', neededBytes };
  try {
    return readHello(new ByteReader(message.subarray(4)));
  } catch (error) {
    if (!(error instanceof TooShort)) throw error;
    return malformed('field', 'has a field that goes beyond the end');
  }
}

function readHello(body: ByteReader): ParsedHello {
  body.number(2); // version, of no meaning since TLS 1.3
  body.bytes(RANDOM_BYTES);
  body.vector(1); // session
  body.vector(2); // cipher suites
  body.vector(1); // compression methods
  const hello = { kind: 'hello', serverName: undefined, alpn: [] } as const;
  if (body.left === 0) return hello;
  const extensions = body.vector(2);
  if (body.left > 0) return malformed('field', `has ${body.left} bytes behind its extensions`);
  return readExtensions(extensions, hello);
}

function readExtensions(extensions: ByteReader, start: ClientHello): ParsedHello {
  const seen = new Set<number>();
  let hello = start;
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const data = extensions.vector(2);
    if (seen.has(type)) return malformed('extension', `has the extension ${type} twice`);
    seen.add(type);
    const part = partOf(type, data);
    if ('kind' in part) return part;
    hello = { ...hello, ...part };
  }
  return hello;
}

function partOf(type: number, data: ByteReader): Partial<Omit<ClientHello, 'kind'>> | MalformedHello {
  if (type === EXTENSION.serverName) return readServerName(data);
  if (type === EXTENSION.alpn) return readAlpn(data);
  return {};
}

function readServerName(data: ByteReader): { readonly serverName: string | undefined } | MalformedHello {
  const names = data.vector(2);
  if (data.left > 0) return malformed('field', 'has bytes behind its server name');
  const hosts: string[] = [];
  while (names.left > 0) {
    const type = names.number(1);
    const name = names.vector(2).rest();
    if (type === HOST_NAME) hosts.push(textOf(name).toLowerCase());
  }
  const [serverName, second] = hosts;
  if (serverName === undefined || second !== undefined)
    return malformed('server_name', `has ${hosts.length} host names: expected one`);
  // No name, by RFC 6066; clients that are given an address send it all the same.
  if (parseAddress(serverName) !== undefined) return { serverName: undefined };
  if (!isHostName(serverName)) return malformed('server_name', 'has a server name that is no host name');
  return { serverName };
}

function readAlpn(data: ByteReader): { readonly alpn: readonly string[] } | MalformedHello {
  const protocols = data.vector(2);
  if (data.left > 0) return malformed('field', 'has bytes behind its protocols');
  const alpn: string[] = [];
  while (protocols.left > 0) alpn.push(textOf(protocols.vector(1).rest()));
  if (alpn.length === 0 || alpn.includes(''))
    return malformed('alpn', 'offers a protocol without a name, or none');
  return { alpn };
}

/** A character a byte. */
function textOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
