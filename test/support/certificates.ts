import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { signCertificate } from '../../src/adapters/tls/sign-certificate.ts';

const DAY_MS = 86_400_000;

/** Who signs certificates. */
export interface Authority {
  readonly commonName: string;
  readonly privateKey: KeyObject;
  readonly cert: string;
}

/** A certificate and its key, as PEM text. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export function anAuthority(commonName = 'authority of the tests'): Authority {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = { commonName, privateKey };
  const cert = signCertificate({
    commonName,
    names: [],
    publicKey,
    isAuthority: true,
    issuer,
    ...lasting(1),
  });
  return { ...issuer, cert };
}

export interface PairOptions {
  readonly authority?: Authority;
  readonly names?: readonly string[];
  /** Days from now until when it is good; below zero is over. */
  readonly days?: number;
}

/** A pair of a fresh P-256 key, signed by an authority of its own unless said otherwise. */
export function aPair({
  authority = anAuthority(),
  names = ['edge.test'],
  days = 1,
}: PairOptions = {}): Pair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const cert = signCertificate({
    commonName: names[0]!,
    names,
    publicKey,
    isAuthority: false,
    issuer: authority,
    ...lasting(days),
  });
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) };
}

/** Writes a pair to files of a folder: their paths. */
export async function writePair(folder: string, { cert, key }: Pair, name = 'edge') {
  const paths = { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
  await Promise.all([writeFile(paths.cert, cert), writeFile(paths.key, key, { mode: 0o600 })]);
  return paths;
}

function lasting(days: number) {
  const nowMs = Date.now();
  return { validFromMs: nowMs - 10 * DAY_MS, validToMs: nowMs + days * DAY_MS };
}
