import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { aPair, anAuthority, type Pair, writePair } from '../support/certificates.ts';
import type { Env } from '../support/daemon.ts';
import { aClient, anEchoBackend, exchange } from '../support/edge.ts';
import { anOwnDaemon } from '../support/own-daemon.ts';
import { once } from '../support/sockets.ts';
import { aFile, aFolder, aTlsClient, filesOf, TLS_ON } from '../support/tls.ts';
import { until } from '../support/until.ts';

let authority: Pair;
let pair: Pair;

beforeAll(async () => {
  authority = await anAuthority();
  pair = await aPair({ authority });
});

async function anEdgeWithTls(env: Env = {}, toml = '') {
  const backend = await anEchoBackend();
  const files = await writePair(await aFolder(), pair);
  const own = await anOwnDaemon({
    backends: [{ id: 'a', port: backend.port }],
    env: { ...TLS_ON, ...filesOf(files), ...env },
    toml,
  });
  return { ...own, files, tlsPort: own.addresses.tls!.port };
}

/** The code of what the handshake fails with; TLS 1.3 tells of a refusal after it. */
async function failureOf(port: number, options: Parameters<typeof aTlsClient>[1]): Promise<unknown> {
  try {
    const client = await aTlsClient(port, options);
    client.resume().end('hello');
    await once(client, 'close');
    return client.errored === null ? 'closed' : (client.errored as NodeJS.ErrnoException).code;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

describe('the certificate that a client is shown', () => {
  it('is the one for the name that it asks for, the first one for any other', async () => {
    const folder = await aFolder();
    const other = await writePair(
      folder,
      await aPair({ authority, names: ['other.test', '*.wild.test'] }),
      'other',
    );
    const edge = await anEdgeWithTls(
      {},
      `[[tls.certificates]]\ncert = "${other.cert}"\nkey = "${other.key}"\n`,
    );
    const shownTo = async (servername: string): Promise<string> => {
      const client = await aTlsClient(edge.tlsPort, { servername });
      await exchange(client, 'hello');
      return client.getPeerCertificate().subject.CN as string;
    };
    expect(await shownTo('edge.test')).toBe('edge.test');
    expect(await shownTo('OTHER.test')).toBe('other.test');
    expect(await shownTo('a.wild.test')).toBe('other.test');
    expect(await shownTo('a.b.wild.test')).toBe('edge.test');
    expect(await shownTo('unknown.test')).toBe('edge.test');
    expect(await shownTo('')).toBe('edge.test');
  });

  it('is made where there are no files and that is asked for, with a warning', async () => {
    const own = await anOwnDaemon({ env: { ...TLS_ON, EDGEPROXY_TLS_SELF_SIGNED: 'true' } });
    const client = await aTlsClient(own.addresses.tls!.port, { servername: 'localhost' });
    expect(client.getPeerX509Certificate()!.checkHost('localhost')).toBe('localhost');
    expect(own.logs).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        msg: 'TLS clients are shown a certificate that nobody vouches for',
      }),
    );
  });
});

describe('what a client may speak', () => {
  it('are the protocols of the list, the best first; who speaks none of them is refused', async () => {
    const edge = await anEdgeWithTls({ EDGEPROXY_TLS_ALPN: 'h2,http/1.1' });
    const chosen = async (ALPNProtocols?: string[]) =>
      (await aTlsClient(edge.tlsPort, ALPNProtocols === undefined ? {} : { ALPNProtocols })).alpnProtocol;
    expect(await chosen(['http/1.1', 'h2'])).toBe('h2');
    expect(await chosen(['http/1.1'])).toBe('http/1.1');
    expect(await chosen()).toBe(false);
    expect(await failureOf(edge.tlsPort, { ALPNProtocols: ['smtp'] })).toBe(
      'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
    );
    expect(await edge.metric('edgeproxy_tls_handshake_failures_total{reason="alpn"}')).toBe(1);
  });

  it('is TLS 1.2 and 1.3, not older, and no weak cipher', async () => {
    const edge = await anEdgeWithTls();
    expect((await aTlsClient(edge.tlsPort, { maxVersion: 'TLSv1.2' })).getProtocol()).toBe('TLSv1.2');
    expect((await aTlsClient(edge.tlsPort)).getProtocol()).toBe('TLSv1.3');
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    expect(await failureOf(edge.tlsPort, old)).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
    const weak = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA@SECLEVEL=0' } as const;
    expect(await failureOf(edge.tlsPort, weak)).toMatch(/ALERT_HANDSHAKE_FAILURE$/);
    for (const reason of ['version', 'cipher'])
      expect(await edge.metric(`edgeproxy_tls_handshake_failures_total{reason="${reason}"}`)).toBe(1);
  });

  it('is what the settings leave', async () => {
    const edge = await anEdgeWithTls({
      EDGEPROXY_TLS_MIN_VERSION: '1.3',
      EDGEPROXY_TLS_CIPHERS: 'TLS_CHACHA20_POLY1305_SHA256',
    });
    expect((await aTlsClient(edge.tlsPort)).getCipher().name).toBe('TLS_CHACHA20_POLY1305_SHA256');
    expect(await failureOf(edge.tlsPort, { maxVersion: 'TLSv1.2' })).toBe(
      'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    );
  });

  it('is TLS: whatever else is refused and counted', async () => {
    const edge = await anEdgeWithTls();
    const client = await aClient(edge.tlsPort);
    client.end('GET / HTTP/1.1\r\n\r\n').resume();
    await once(client, 'close');
    expect(await edge.metric('edgeproxy_tls_handshake_failures_total{reason="not_tls"}')).toBe(1);
  });
});

it('whatever is sent instead of a handshake ends that connection alone', async () => {
  const edge = await anEdgeWithTls();
  const anything = fc
    .tuple(
      fc.constantFrom([], [0x16, 3, 1], [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], [0x80, 0x2e, 1, 3, 1]),
      fc.uint8Array({ maxLength: 20_000, size: 'max' }),
    )
    .map(([head, rest]) => Buffer.concat([Uint8Array.from(head), rest]));
  let sent = 0;
  await fc.assert(
    fc.asyncProperty(anything, async (bytes) => {
      const client = await aClient(edge.tlsPort);
      sent++;
      client.resume().end(bytes);
      await new Promise((resolve) => client.once('close', resolve));
    }),
    { numRuns: 40 },
  );
  await exchange(await aTlsClient(edge.tlsPort), 'hello');
  await until(async () => (await edge.metric('edgeproxy_tls_handshakes_active')) === 0, {
    what: 'the end of all',
  });
  const failures = ['ended', 'not_tls', 'version', 'cipher', 'other'];
  const counts = await Promise.all(
    failures.map((reason) => edge.metric(`edgeproxy_tls_handshake_failures_total{reason="${reason}"}`)),
  );
  expect(counts.reduce((sum: number, count) => sum + (count ?? 0), 0)).toBe(sent);
  expect(await edge.metric('edgeproxy_data_thread_deaths_total')).toBe(0);
}, 20_000);

describe('certificates of clients', () => {
  async function anEdgeThatAsks(mode: string) {
    const ca = await aFile('clients.crt', authority.cert);
    return anEdgeWithTls({ EDGEPROXY_TLS_CLIENT_AUTH: mode, EDGEPROXY_TLS_CLIENT_CA: ca });
  }

  it.each(['optional', 'required'])('that are %s have to be good', async (mode) => {
    const edge = await anEdgeThatAsks(mode);
    const strangers = await anAuthority('strangers');
    const good = await aTlsClient(edge.tlsPort, await aPair({ authority, names: ['client'] }));
    await exchange(good, 'hello');
    for (const bad of [await aPair({ authority: strangers }), await aPair({ authority, days: -1 })])
      for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
        expect(await failureOf(edge.tlsPort, { ...bad, maxVersion })).toBeDefined();
    await until(
      async () =>
        (await edge.metric('edgeproxy_tls_handshake_failures_total{reason="client_certificate"}')) === 4,
      { what: 'four refusals' },
    );
    expect(await edge.metric('edgeproxy_backend_connections_total{backend="a"}')).toBe(1);
  });

  it('may be absent where they are optional, and only there', async () => {
    const optional = await anEdgeThatAsks('optional');
    await exchange(await aTlsClient(optional.tlsPort), 'hello');
    const required = await anEdgeThatAsks('required');
    expect(await failureOf(required.tlsPort, {})).toMatch(/CERTIFICATE_REQUIRED$/);
    expect(await required.metric('edgeproxy_tls_handshake_failures_total{reason="client_certificate"}')).toBe(
      1,
    );
  });

  it('count in a session that is resumed', async () => {
    const edge = await anEdgeThatAsks('required');
    const own = await aPair({ authority, names: ['client'] });
    const first = await aTlsClient(edge.tlsPort, own);
    const [session] = (await once(first, 'session')) as [Buffer];
    const second = await aTlsClient(edge.tlsPort, { ...own, session });
    await exchange(second, 'hello');
    expect(second.isSessionReused()).toBe(true);
  });
});
