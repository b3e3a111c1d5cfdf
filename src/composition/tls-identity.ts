import { access, readFile } from 'node:fs/promises';
import {
  type PemText,
  certificatePairOf,
  certificatesOf,
  opensslReasonOf,
  tlsError,
} from '../adapters/tls/certificate-pair.ts';
import type { Settings } from '../config/schema.ts';
import type { CertificatePair, TlsIdentity } from '../domain/tls.ts';
import { messageOf } from '../errors.ts';
import { identityServer } from '../proxy/tls/identity-server.ts';

/**
 * Reads what the settings name, and has OpenSSL judge it. Fails with `ERR_TLS`.
 *
 * @param selfSigned the pair for where there are no files, and it is asked for
 * @param nowMs Unix time
 */
export async function readIdentity(
  { tls }: Settings,
  ticketKeys: Uint8Array,
  selfSigned: () => Promise<CertificatePair>,
  nowMs: number,
): Promise<TlsIdentity> {
  const first = (await mustSignItself(tls))
    ? await selfSigned()
    : await readPair(['tls.cert', tls.cert!], ['tls.key', tls.key!], nowMs);
  const others = await Promise.all(
    tls.certificates.map(({ cert, key }, index) =>
      readPair([`tls.certificates[${index}].cert`, cert], [`tls.certificates[${index}].key`, key], nowMs),
    ),
  );
  const identity: TlsIdentity = {
    pairs: [first, ...others],
    minVersion: tls.min_version,
    ciphers: tls.ciphers,
    alpn: tls.alpn,
    clientAuth: tls.client_auth,
    clientCa: tls.client_auth === 'off' ? undefined : await readClientCa(tls.client_ca!),
    ticketKeys,
  };
  try {
    identityServer(identity);
  } catch (error) {
    throw tlsError(
      `tls.ciphers = ${JSON.stringify(tls.ciphers)}: OpenSSL refuses them with these certificates: ${opensslReasonOf(error)}`,
      error,
    );
  }
  return identity;
}

/** The files that `readIdentity` reads. */
export function pathsOf({ tls }: Settings): readonly string[] {
  const further = tls.certificates.flatMap(({ cert, key }) => [cert, key]);
  return [tls.cert, tls.key, tls.client_ca, ...further].filter((path) => path !== undefined);
}

/** Neither file is there, and it has been asked for. */
async function mustSignItself({ self_signed: mayBe, cert, key }: Settings['tls']): Promise<boolean> {
  if (!mayBe) return false;
  const areAbsent = await Promise.all([cert, key].map(isAbsent));
  return areAbsent.every(Boolean);
}

async function isAbsent(path: string | undefined): Promise<boolean> {
  if (path === undefined) return true;
  try {
    await access(path);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT';
  }
}

type NamedPath = readonly [setting: string, path: string];

async function readPair(cert: NamedPath, key: NamedPath, nowMs: number): Promise<CertificatePair> {
  return certificatePairOf(await readPem(...cert), await readPem(...key), nowMs);
}

async function readClientCa(path: string): Promise<string> {
  const file = await readPem('tls.client_ca', path);
  certificatesOf(file);
  return file.text;
}

async function readPem(setting: string, path: string): Promise<PemText> {
  const name = `${setting} = ${JSON.stringify(path)}`;
  try {
    return { name, text: await readFile(path, 'utf8') };
  } catch (error) {
    throw tlsError(`${name}: cannot be read: ${messageOf(error)}`, error);
  }
}
