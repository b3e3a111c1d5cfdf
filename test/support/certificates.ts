import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generate, type SelfsignedOptions } from 'selfsigned';

const DAY_MS = 86_400_000;
const DNS = 2;

/** A certificate and its key, as PEM text. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** RSA of 2048 bits, or P-256. */
export type KeyType = 'rsa' | 'ec';

/** Who signs certificates. */
export function anAuthority(commonName = 'authority of the tests', keyType: KeyType = 'ec'): Promise<Pair> {
  return made(commonName, 1, {
    keyType,
    extensions: [{ name: 'basicConstraints', cA: true, critical: true }],
  });
}

export interface PairOptions {
  readonly authority?: Pair;
  readonly names?: readonly string[];
  /** That of the authority, too. */
  readonly keyType?: KeyType;
  /** Days from now until when it is good; below zero is over. */
  readonly days?: number;
}

/** A pair of a fresh key, P-256 by default, signed by an authority of its own unless said otherwise. */
export async function aPair({
  authority,
  names = ['edge.test'],
  keyType = 'ec',
  days = 1,
}: PairOptions = {}): Promise<Pair> {
  return made(names[0]!, days, {
    keyType,
    ca: authority ?? (await anAuthority(undefined, keyType)),
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'subjectAltName', altNames: names.map((value) => ({ type: DNS, value })) },
    ],
  });
}

/** Writes a pair to files of a folder: their paths. */
export async function writePair(folder: string, { cert, key }: Pair, name = 'edge') {
  const paths = { cert: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
  await Promise.all([writeFile(paths.cert, cert), writeFile(paths.key, key, { mode: 0o600 })]);
  return paths;
}

async function made(commonName: string, days: number, options: SelfsignedOptions): Promise<Pair> {
  const nowMs = Date.now();
  const { cert, private: key } = await generate([{ name: 'commonName', value: commonName }], {
    ...options,
    algorithm: 'sha256',
    notBeforeDate: new Date(nowMs - 10 * DAY_MS),
    notAfterDate: new Date(nowMs + days * DAY_MS),
  });
  // Certificates of a chain stand behind each other.
  return { cert: `${cert.trimEnd()}\n`, key };
}
