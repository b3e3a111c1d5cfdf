import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { aPair, writePair } from '../../support/certificates.ts';
import type { ServerKey } from './scenarios.ts';

/** Files of PEM. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  /** Both in one file. */
  readonly both: string;
}

export type Certificates = Readonly<Record<ServerKey, CertificateFiles>>;

/** Makes a certificate of each kind, for all proxies alike. */
export async function makeCertificates(folder: string): Promise<Certificates> {
  const [rsa, p256] = await Promise.all([make(folder, 'rsa', 'rsa'), make(folder, 'p256', 'ec')]);
  return { rsa, p256 };
}

async function make(folder: string, name: ServerKey, keyType: 'rsa' | 'ec'): Promise<CertificateFiles> {
  const pair = await aPair({ keyType });
  const both = join(folder, `${name}.pem`);
  await writeFile(both, `${pair.cert}\n${pair.key}`, { mode: 0o600 });
  return { ...(await writePair(folder, pair, name)), both };
}
