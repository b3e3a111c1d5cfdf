import { z } from 'zod';
import { passthrough } from './tls-passthrough.ts';
import { CLIENT_AUTH_MODES, TLS_VERSIONS } from '../domain/tls.ts';
import { amount, listenAddress, RELOADABLE, seconds, STATIC, switchOff, text } from './setting-types.ts';

/**
 * What clients of the last years have, and nothing that is known to be weak.
 *
 * Source: Mozilla, Server Side TLS, intermediate configuration 5.7.
 */
const INTERMEDIATE_CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'DHE-RSA-AES128-GCM-SHA256',
  'DHE-RSA-AES256-GCM-SHA384',
  'DHE-RSA-CHACHA20-POLY1305',
].join(':');

const MOST_ALPN_BYTES = 255;

const alpnName = z
  .string()
  .min(1)
  .refine((name) => Buffer.byteLength(name) <= MOST_ALPN_BYTES, 'expected at most 255 bytes');

const furtherPair = z.strictObject({ cert: z.string().min(1), key: z.string().min(1) });

export const tls = z
  .strictObject({
    enabled: switchOff('EDGEPROXY_TLS_ENABLED', 'Accept TLS clients, and speak to backends as they are.'),
    ...passthrough,
    listen_addr: listenAddress('EDGEPROXY_TLS_LISTEN_ADDR', '0.0.0.0:8443', 'Address of the TLS listener.'),
    threads: amount(
      'EDGEPROXY_TLS_THREADS',
      STATIC,
      0,
      0,
      'Threads of the TLS listener; 0 is one for each core.',
      undefined,
      256,
    ),
    cert: text('EDGEPROXY_TLS_CERT', 'Certificate chain, a PEM file.'),
    key: text('EDGEPROXY_TLS_KEY', 'Private key, a PEM file.'),
    self_signed: switchOff(
      'EDGEPROXY_TLS_SELF_SIGNED',
      'Make a certificate where the files are not there, anew at each start: for development only.',
    ),
    certificates: z.array(furtherPair).default([]).meta({
      reload: STATIC,
      description: 'Further pairs of `cert` and `key`, each for the server names that its certificate has.',
    }),
    min_version: z.enum(TLS_VERSIONS).default('1.2').meta({
      env: 'EDGEPROXY_TLS_MIN_VERSION',
      reload: STATIC,
      description: 'Oldest version of TLS that is spoken.',
    }),
    ciphers: z.string().min(1).default(INTERMEDIATE_CIPHERS).meta({
      env: 'EDGEPROXY_TLS_CIPHERS',
      reload: STATIC,
      description:
        "Cipher suites as OpenSSL lists them; default: those of Mozilla's intermediate configuration.",
    }),
    alpn: z.array(alpnName).default([]).meta({
      env: 'EDGEPROXY_TLS_ALPN',
      reload: STATIC,
      description:
        'Protocols that backends speak, such as `h2,http/1.1`, the best first (ALPN). Empty is no ALPN.',
    }),
    client_auth: z.enum(CLIENT_AUTH_MODES).default('off').meta({
      env: 'EDGEPROXY_TLS_CLIENT_AUTH',
      reload: STATIC,
      description: 'Whether clients show a certificate; one that is shown has to be good.',
    }),
    client_ca: text('EDGEPROXY_TLS_CLIENT_CA', 'Certificates that sign those of clients, a PEM file.'),
    handshake_timeout_secs: seconds(
      'EDGEPROXY_TLS_HANDSHAKE_TIMEOUT_SECS',
      RELOADABLE,
      10,
      1,
      'Time for a handshake.',
    ),
    max_handshakes: amount(
      'EDGEPROXY_TLS_MAX_HANDSHAKES',
      RELOADABLE,
      1_000,
      1,
      'Handshakes under way at one time; who comes beside them is refused.',
    ),
  })
  .prefault({});
