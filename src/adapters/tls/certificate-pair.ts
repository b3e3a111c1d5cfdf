import { createPrivateKey, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { type CertificatePair } from '../../domain/tls.ts';
import { EdgeProxyError, messageOf } from '../../errors.ts';

/** Text of a PEM file, and what people call the file. */
export interface PemText {
  readonly text: string;
  /** Such as `tls.cert = "/etc/ssl/edge.crt"`. */
  readonly name: string;
}

const ENCRYPTED_KEY = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * Makes a pair of two files, when the key is that of the certificate, and that is good at a time. Fails with `ERR_TLS`.
 *
 * @param nowMs Unix time
 */
export function certificatePairOf(cert: PemText, key: PemText, nowMs: number): CertificatePair {
  const [leaf] = certificatesOf(cert);
  if (ENCRYPTED_KEY.test(key.text))
    throw tlsError(`${key.name}: is protected by a passphrase: expected a private key without one`);
  const privateKey = parse(key, 'a private key', () => createPrivateKey(key.text));
  expectValidAt(leaf!, nowMs, cert.name);
  if (!leaf!.checkPrivateKey(privateKey))
    throw tlsError(`${key.name}: is not the key of the certificate in ${cert.name}`);
  expectUsable(cert, key);
  return {
    cert: cert.text,
    key: key.text,
    names: serverNamesOf(leaf!),
    expiresMs: Date.parse(leaf!.validTo),
  };
}

/** The certificates of a file, one at least. Fails with `ERR_TLS`. */
export function certificatesOf(file: PemText): readonly X509Certificate[] {
  const blocks = file.text.match(CERTIFICATE) ?? [];
  if (blocks.length === 0)
    throw tlsError(`${file.name}: expected certificates in PEM form (-----BEGIN CERTIFICATE-----)`);
  return blocks.map((block) => parse(file, 'a certificate', () => new X509Certificate(block)));
}

function expectValidAt({ validFrom, validTo }: X509Certificate, nowMs: number, name: string): void {
  if (nowMs > Date.parse(validTo)) throw tlsError(`${name}: the certificate has expired on ${validTo}`);
  if (nowMs < Date.parse(validFrom))
    throw tlsError(`${name}: the certificate is not valid before ${validFrom}`);
}

/** OpenSSL has rules of its own, such as for the size of keys. */
function expectUsable(cert: PemText, key: PemText): void {
  try {
    createSecureContext({ cert: cert.text, key: key.text });
  } catch (error) {
    throw tlsError(`${cert.name}: OpenSSL refuses the certificate: ${opensslReasonOf(error)}`, error);
  }
}

/** Without what OpenSSL says around it: `error:0A00018F:SSL routines::ee key too small`. */
export function opensslReasonOf(error: unknown): string {
  return messageOf(error).replace(/^error:[0-9A-F]+:[^:]*:[^:]*:/, '');
}

/** The names that a certificate is for; its common name, where it has none. */
function serverNamesOf({ subjectAltName, subject }: X509Certificate): readonly string[] {
  const names = [...(subjectAltName ?? '').matchAll(/DNS:([^,\s"]+)/g)].map(([, name]) => name!);
  const common = /^CN=(.+)$/m.exec(subject ?? '')?.[1];
  const own = names.length === 0 && common !== undefined ? [common] : names;
  return own.map((name) => name.toLowerCase());
}

function parse<T>(file: PemText, what: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw tlsError(`${file.name}: expected ${what} in PEM form: ${messageOf(error)}`, error);
  }
}

/** @param message begins with the key of a setting */
export function tlsError(message: string, cause?: unknown): EdgeProxyError {
  return new EdgeProxyError('ERR_TLS', message, { cause, setting: message.split(' ', 1)[0]! });
}
