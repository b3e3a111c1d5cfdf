import { type KeyObject, randomBytes, sign } from 'node:crypto';
import { isIP } from 'node:net';
import { bits, integer, octets, oid, sequence, set, tagged, time, truth, utf8 } from './der.ts';

const OID = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
} as const;

/** Context tags of RFC 5280. */
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;
const DNS_NAME = 0x82;
const IP_ADDRESS = 0x87;

const V3 = integer(Uint8Array.of(2));
const SERIAL_BYTES = 16;

export interface CertificateOptions {
  readonly commonName: string;
  /** Server names, and IPv4 addresses. */
  readonly names: readonly string[];
  readonly publicKey: KeyObject;
  /** Whether it may sign others. */
  readonly isAuthority: boolean;
  /** Who signs: common name, and a key of an elliptic curve. */
  readonly issuer: { readonly commonName: string; readonly privateKey: KeyObject };
  /** Unix time in milliseconds. */
  readonly validFromMs: number;
  readonly validToMs: number;
}

/** Makes a certificate, as PEM text. Source: RFC 5280, section 4.1; RFC 5758 for its signature. */
export function signCertificate(options: CertificateOptions): string {
  const { commonName, names, publicKey, isAuthority, issuer, validFromMs, validToMs } = options;
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const serial = randomBytes(SERIAL_BYTES);
  // Neither negative nor with a zero in front.
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  const body = sequence(
    tagged(VERSION, V3),
    integer(serial),
    algorithm,
    nameOf(issuer.commonName),
    sequence(time(validFromMs), time(validToMs)),
    nameOf(commonName),
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(
      EXTENSIONS,
      sequence(
        sequence(oid(OID.basicConstraints), truth(), octets(sequence(...(isAuthority ? [truth()] : [])))),
        ...(names.length === 0
          ? []
          : [sequence(oid(OID.subjectAltName), octets(sequence(...names.map(alternativeOf))))]),
      ),
    ),
  );
  const signature = bits(sign('sha256', body, issuer.privateKey));
  const base64 = Buffer.from(sequence(body, algorithm, signature)).toString('base64');
  const lines = base64.match(/.{1,64}/g)!.join('\n');
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

function nameOf(commonName: string): Uint8Array {
  return sequence(set(sequence(oid(OID.commonName), utf8(commonName))));
}

function alternativeOf(name: string): Uint8Array {
  if (isIP(name) !== 4) return tagged(DNS_NAME, Buffer.from(name));
  return tagged(IP_ADDRESS, Uint8Array.from(name.split('.').map(Number)));
}
