import { createPrivateKey, X509Certificate } from 'node:crypto';
import { generate } from 'selfsigned';
import { describe, expect, it } from 'vitest';
import { certificatePairOf } from '../../../src/adapters/tls/certificate-pair.ts';
import { selfSignedPair } from '../../../src/adapters/tls/self-signed.ts';
import { aPair, anAuthority } from '../../support/certificates.ts';

const NOW_MS = Date.now();
const DAY_MS = 86_400_000;

const pair = await aPair({ names: ['Edge.test', '*.edge.test'] });
const other = await aPair();
const weak = await generate([{ name: 'commonName', value: 'weak.test' }], {
  keyType: 'rsa',
  keySize: 1_024,
  algorithm: 'sha256',
});
const lockedKey = createPrivateKey(pair.key).export({
  type: 'pkcs8',
  format: 'pem',
  cipher: 'aes-256-cbc',
  passphrase: 'word',
});

function made(cert: string, key: string, nowMs = NOW_MS) {
  return certificatePairOf({ text: cert, name: 'CERT' }, { text: key, name: 'KEY' }, nowMs);
}

describe('a certificate and its key', () => {
  it('are a pair, for the names of the certificate', () => {
    expect(made(pair.cert, pair.key)).toEqual({
      ...pair,
      names: ['edge.test', '*.edge.test'],
      expiresMs: Date.parse(new X509Certificate(pair.cert).validTo),
    });
  });

  it('may come with a chain behind the certificate', async () => {
    const authority = await anAuthority();
    const own = await aPair({ authority });
    expect(made(own.cert + authority.cert, own.key).names).toEqual(['edge.test']);
  });

  it.each([
    ['a key of another one', pair.cert, other.key, 'KEY: is not the key of the certificate in CERT'],
    [
      'a key that is locked',
      pair.cert,
      lockedKey,
      'KEY: is protected by a passphrase: expected a private key without one',
    ],
    [
      'a key that is too short',
      weak.cert,
      weak.private,
      'CERT: OpenSSL refuses the certificate: ee key too small',
    ],
    ['no PEM', 'nonsense', pair.key, 'CERT: expected certificates in PEM form (-----BEGIN CERTIFICATE-----)'],
    [
      'the key first',
      pair.key,
      pair.cert,
      'CERT: expected certificates in PEM form (-----BEGIN CERTIFICATE-----)',
    ],
    ['a certificate for a key', pair.cert, pair.cert, /^KEY: expected a private key in PEM form: /],
    ['an empty key', pair.cert, '', /^KEY: expected a private key in PEM form: /],
    [
      'a damaged one',
      pair.cert.replace(/\n[^-]{20}/, '\n'),
      pair.key,
      /^CERT: expected a certificate in PEM form: /,
    ],
  ])('are none with %s', (_, cert, key, message) => {
    expect(() => made(cert, key)).toThrow(expect.objectContaining({ code: 'ERR_TLS' }) as Error);
    expect(() => made(cert, key)).toThrow(message);
  });

  it('are none when the time of the certificate is over, or has not come', () => {
    const { validFrom, validTo } = new X509Certificate(pair.cert);
    expect(() => made(pair.cert, pair.key, NOW_MS + 2 * DAY_MS)).toThrow(
      `CERT: the certificate has expired on ${validTo}`,
    );
    expect(() => made(pair.cert, pair.key, NOW_MS - 20 * DAY_MS)).toThrow(
      `CERT: the certificate is not valid before ${validFrom}`,
    );
  });
});

it('a pair that is made for development is one, for this machine', async () => {
  const { cert, key, names } = await selfSignedPair(NOW_MS);
  expect(made(cert, key).names).toEqual(names);
  const own = new X509Certificate(cert);
  expect(own.verify(own.publicKey)).toBe(true);
  expect([own.checkHost('localhost'), own.checkIP('127.0.0.1'), own.ca]).toEqual([
    'localhost',
    '127.0.0.1',
    false,
  ]);
});
