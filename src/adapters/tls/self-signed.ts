import { generateKeyPairSync } from 'node:crypto';
import type { CertificatePair } from '../../domain/tls.ts';
import { signCertificate } from './sign-certificate.ts';

const HOUR_MS = 3_600_000;
const VALID_HOURS = 24 * 365;

/** A pair that nobody vouches for: for development alone. @param nowMs Unix time */
export function selfSignedPair(nowMs: number): CertificatePair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const commonName = 'localhost';
  const expiresMs = nowMs + VALID_HOURS * HOUR_MS;
  const cert = signCertificate({
    commonName,
    names: [commonName, '127.0.0.1'],
    publicKey,
    isAuthority: false,
    issuer: { commonName, privateKey },
    // Clocks differ.
    validFromMs: nowMs - HOUR_MS,
    validToMs: expiresMs,
  });
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }), names: [commonName], expiresMs };
}
