import { mkdir, rename, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { aPair, anAuthority, writePair } from '../support/certificates.ts';
import { anEchoBackend, exchange } from '../support/edge.ts';
import { anOwnDaemon } from '../support/own-daemon.ts';
import { once } from '../support/sockets.ts';
import { aFolder, aTlsClient, filesOf, TLS_ON } from '../support/tls.ts';
import { until } from '../support/until.ts';

const SWAPS = Number(process.env['SWAPS'] ?? 40);
const TALKERS = 4;
const IN_USE = 'certificates are in use';
const REFUSED = 'certificates cannot be used, those that are in use stay';

const authority = await anAuthority();
const named = (name: string) => aPair({ authority, names: [name] });

async function anEdgeWithTls(files: { readonly cert: string; readonly key: string }) {
  const backend = await anEchoBackend();
  const own = await anOwnDaemon({
    backends: [{ id: 'a', port: backend.port, more: 'hard_limit = 0' }],
    env: { ...TLS_ON, ...filesOf(files) },
  });
  const tlsPort = own.addresses.tls!.port;
  const shown = async (): Promise<unknown> => {
    const client = await aTlsClient(tlsPort);
    // One that left at once might reset its own handshake.
    await exchange(client, 'hello');
    const { CN } = client.getPeerCertificate().subject;
    client.destroy();
    return CN;
  };
  const timesLogged = (msg: string): number => own.logs.filter((line) => line.msg === msg).length;
  return { ...own, tlsPort, shown, timesLogged };
}

/** Replaces the files one after the other, as a program does that renews certificates. */
async function replacePair(
  folder: string,
  files: { readonly cert: string; readonly key: string },
  name: string,
) {
  const next = await writePair(folder, await named(name), 'next');
  await rename(next.cert, files.cert);
  await rename(next.key, files.key);
}

describe('certificates of a running daemon', () => {
  it('are swapped when their files are replaced; who is connected stays, and sessions are resumed', async () => {
    const folder = await aFolder();
    const files = await writePair(folder, await named('first.test'));
    const edge = await anEdgeWithTls(files);
    const early = await aTlsClient(edge.tlsPort);
    const [session] = (await once(early, 'session')) as [Buffer];
    await replacePair(folder, files, 'second.test');
    await until(() => edge.timesLogged(IN_USE) === 1, { what: 'the swap' });
    expect(await edge.shown()).toBe('second.test');
    await exchange(early, 'still here');
    const late = await aTlsClient(edge.tlsPort, { session });
    expect(late.isSessionReused()).toBe(true);
    expect(await edge.metric('edgeproxy_tls_certificate_loads_total{result="applied"}')).toBe(1);
    expect(await edge.metric('edgeproxy_tls_certificate_expiry_timestamp_seconds')).toBeGreaterThan(
      Date.now() / 1000,
    );
  });

  it('that are the same when they are read again are not shown anew, and count as unchanged', async () => {
    const folder = await aFolder();
    const files = await writePair(folder, await named('first.test'));
    const edge = await anEdgeWithTls(files);
    edge.daemon.reload();
    await until(() => edge.timesLogged('certificates read, nothing has changed') === 1, { what: 'the read' });
    await replacePair(folder, files, 'second.test');
    await until(() => edge.timesLogged(IN_USE) === 1, { what: 'the swap' });
    edge.daemon.reload();
    await until(() => edge.timesLogged('certificates read, nothing has changed') === 2, { what: 'a read' });
    const loads = (result: string) =>
      edge.metric(`edgeproxy_tls_certificate_loads_total{result="${result}"}`);
    expect([await loads('unchanged'), await loads('applied'), await loads('refused')]).toEqual([2, 1, 0]);
  });

  it('stay when the new ones are bad, with a line in the log and a metric, until they are good', async () => {
    const folder = await aFolder();
    const files = await writePair(folder, await named('first.test'));
    const edge = await anEdgeWithTls(files);
    const bad = {
      'a key of another certificate': async () => writeFile(files.key, (await named('other.test')).key),
      'one that has expired': async () => writePair(folder, await aPair({ authority, days: -1 })),
      'no PEM': () => writeFile(files.cert, 'nonsense'),
      'no file': () => unlink(files.cert),
    };
    let refusals = 0;
    for (const [what, make] of Object.entries(bad)) {
      await make();
      refusals++;
      await until(() => edge.timesLogged(REFUSED) === refusals, { what });
      expect(await edge.shown()).toBe('first.test');
    }
    expect(edge.logs.filter(({ msg }) => msg === REFUSED)).toEqual([
      expect.objectContaining({
        level: 'error',
        error: expect.stringContaining('is not the key of') as string,
      }),
      expect.objectContaining({ error: expect.stringContaining('has expired on') as string }),
      expect.objectContaining({
        error: expect.stringContaining('expected certificates in PEM form') as string,
      }),
      expect.objectContaining({ error: expect.stringContaining('ENOENT') as string }),
    ]);
    expect(await edge.metric('edgeproxy_tls_certificate_loads_total{result="refused"}')).toBe(4);
    await writePair(folder, await named('last.test'));
    await until(() => edge.timesLogged(IN_USE) === 1, { what: 'the good pair' });
    expect(await edge.shown()).toBe('last.test');
  });

  it(`are swapped ${SWAPS} times by a link, as Kubernetes does, and no client notices`, async () => {
    const folder = await aFolder();
    for (const name of ['one.test', 'two.test']) {
      await mkdir(join(folder, name));
      await writePair(join(folder, name), await named(name));
    }
    const linkTo = async (name: string): Promise<void> => {
      await symlink(name, join(folder, '..next'));
      await rename(join(folder, '..next'), join(folder, '..data'));
    };
    await linkTo('one.test');
    const paths = { cert: join(folder, '..data', 'edge.crt'), key: join(folder, '..data', 'edge.key') };
    const edge = await anEdgeWithTls(paths);
    const over = new AbortController();
    const seen = new Map<unknown, number>();
    const talk = async (): Promise<void> => {
      const lasting = await aTlsClient(edge.tlsPort);
      while (!over.signal.aborted) {
        const client = await aTlsClient(edge.tlsPort);
        await exchange(client, 'hello');
        await exchange(lasting, 'still here');
        const { CN } = client.getPeerCertificate().subject;
        seen.set(CN, (seen.get(CN) ?? 0) + 1);
        client.destroy();
      }
    };
    const talks = Array.from({ length: TALKERS }, talk);
    for (let swap = 1; swap <= SWAPS; swap++) {
      await linkTo(swap % 2 === 1 ? 'two.test' : 'one.test');
      await until(() => edge.timesLogged(IN_USE) === swap, { what: `swap ${swap}` });
    }
    over.abort();
    await Promise.all(talks);
    expect(new Set(seen.keys())).toEqual(new Set(['one.test', 'two.test']));
    expect(await edge.shown()).toBe('one.test');
    expect(edge.timesLogged(REFUSED)).toBe(0);
    const failures = ['timeout', 'ended', 'other', 'not_tls', 'version', 'cipher'];
    for (const reason of failures)
      expect(await edge.metric(`edgeproxy_tls_handshake_failures_total{reason="${reason}"}`)).toBe(0);
  });
});
