import type { HandshakeFailure } from '../../domain/tls.ts';

/** By the reason that OpenSSL gives in its code, `ERR_SSL_…`. */
const REASONS: readonly (readonly [RegExp, HandshakeFailure])[] = [
  [
    /HTTP_REQUEST|HTTPS_PROXY_REQUEST|WRONG_VERSION_NUMBER|PACKET_LENGTH|BAD_RECORD_TYPE|RECORD_TOO/,
    'not_tls',
  ],
  [/UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|INAPPROPRIATE_FALLBACK|PROTOCOL_VERSION/, 'version'],
  [/NO_SHARED_CIPHER|NO_SUITABLE|NO_SHARED_GROUP|SHARED_SIGNATURE/, 'cipher'],
  [/NO_APPLICATION_PROTOCOL/, 'alpn'],
  [/CERTIFICATE|CERT_/, 'client_certificate'],
];

/** Why a handshake has failed, from the error that Node gives. */
export function handshakeFailureOf({ code = '' }: { readonly code?: string | undefined }): HandshakeFailure {
  if (!code.startsWith('ERR_SSL')) return code === 'ECONNRESET' || code === 'EPIPE' ? 'ended' : 'other';
  return REASONS.find(([pattern]) => pattern.test(code))?.[1] ?? 'other';
}
