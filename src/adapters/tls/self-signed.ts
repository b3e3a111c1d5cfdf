import type { CertificatePair } from '../../domain/tls.ts';

const HOUR_MS = 3_600_000;
const VALID_HOURS = 24 * 365;
const NAME = 'localhost';

/** Kinds of alternative names. Source: RFC 5280, section 4.2.1.6. */
const DNS = 2;
const IP = 7;

/** A pair that nobody vouches for: for development alone. @param nowMs Unix time */
export async function selfSignedPair(nowMs: number): Promise<CertificatePair> {
  // Two dozen packages that no other way of the daemon needs.
  const { generate } = await import('selfsigned');
  const expiresMs = nowMs + VALID_HOURS * HOUR_MS;
  const { cert, private: key } = await generate([{ name: 'commonName', value: NAME }], {
    keyType: 'ec',
    algorithm: 'sha256',
    // Clocks differ.
    notBeforeDate: new Date(nowMs - HOUR_MS),
    notAfterDate: new Date(expiresMs),
    extensions: [
      { name: 'basicConstraints', cA: false },
      {
        name: 'subjectAltName',
        altNames: [
          { type: DNS, value: NAME },
          { type: IP, ip: '127.0.0.1' },
        ],
      },
    ],
  });
  return { cert, key, names: [NAME], expiresMs };
}
