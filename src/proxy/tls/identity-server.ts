import { constants } from 'node:crypto';
import { createSecureContext, createServer, type SecureContext, type Server } from 'node:tls';
import type { TlsIdentity } from '../../domain/tls.ts';
import { ServerNames } from './server-names.ts';

/** Longer than any handshake is given: `Handshake` has a deadline of its own. */
const NO_TIMEOUT_MS = 2_147_483_647;

/** Of Mozilla's intermediate configuration. */
const CURVES = 'X25519:prime256v1:secp384r1';

/** The same in all threads and for all certificates, so that a session may be resumed. */
const SESSION_CONTEXT = 'edgeproxy';

/** Tickets are good for so long. */
const SESSION_SECONDS = 300;

/** A server that listens nowhere: it shakes hands with the sockets that it is given. Throws when OpenSSL does. */
export function identityServer(identity: TlsIdentity): Server {
  const { pairs, alpn, clientAuth } = identity;
  const [first, ...others] = pairs.map(({ cert, key }) => ({ ...secureOptionsOf(identity), cert, key }));
  const names = new ServerNames<SecureContext>();
  const contexts = [createSecureContext(first), ...others.map((options) => createSecureContext(options))];
  for (const [index, pair] of pairs.entries())
    for (const name of pair.names) names.add(name, contexts[index]!);
  return createServer({
    ...first,
    handshakeTimeout: NO_TIMEOUT_MS,
    requestCert: clientAuth !== 'off',
    // Whether one that is shown is good is looked at when the handshake is over.
    rejectUnauthorized: clientAuth === 'required',
    ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
    SNICallback: (name, callback) => callback(null, names.find(name) ?? contexts[0]),
  });
}

function secureOptionsOf({ minVersion, ciphers, clientCa, ticketKeys }: TlsIdentity) {
  return {
    minVersion: `TLSv${minVersion}`,
    ciphers,
    ecdhCurve: CURVES,
    dhparam: 'auto',
    ticketKeys: Buffer.from(ticketKeys),
    sessionIdContext: SESSION_CONTEXT,
    sessionTimeout: SESSION_SECONDS,
    // As long as both are good, clients know best what they compute fast.
    honorCipherOrder: false,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ...(clientCa === undefined ? {} : { ca: clientCa }),
  } as const;
}
