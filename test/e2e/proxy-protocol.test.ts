import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeV1, encodeV2 } from '../../src/domain/proxy-protocol/encode.ts';
import { parseProxyHeader } from '../../src/domain/proxy-protocol/parse-header.ts';
import { readTlvs, writeTlvs } from '../../src/domain/proxy-protocol/tlvs.ts';
import type { DaemonProcess } from '../support/daemon.ts';
import { aClient, aNamedBackend, anEdge } from '../support/edge.ts';
import { aMirror, reflected } from '../support/mirror.ts';
import { ascii, endpointsOf } from '../support/proxy-headers.ts';
import { readAll } from '../support/sockets.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

const PROXY = '127.0.0.2';
const ANNOUNCED = endpointsOf('203.0.113.7', 50_000, '198.51.100.9', 443);
const TRUSTING = {
  EDGEPROXY_PROXY_PROTOCOL_TRUSTED: `${PROXY}, 2001:db8::/32`,
  EDGEPROXY_PROXY_PROTOCOL_TIMEOUT_SECS: '3',
};
const REFUSED = 'edgeproxy_connections_refused_total{reason="bad_proxy_header"}';

/** What the mirror gets of a peer that says this. */
async function reflection(port: number, bytes: Uint8Array, localAddress = PROXY): Promise<Buffer> {
  return (await reflected(port, bytes, localAddress)).received;
}

const withHello = (header: Uint8Array): Buffer => Buffer.concat([header, ascii('hello')]);

const debugLine = (daemon: DaemonProcess, msg: string, client: string) =>
  until(() => daemon.logs.find((line) => line.msg === msg && line['client'] === client), {
    what: `the line "${msg}" of ${client}`,
  });

describe.runIf(process.platform === 'linux').each(['epoll', 'net'])('the daemon, engine %s,', (engine) => {
  const ENGINE = { EDGEPROXY_ENGINE: engine, EDGEPROXY_THREADS: '2' };

  it('takes the announced address for the client: in routing, and in the log', async () => {
    const [home, away] = [await aMirror(), await aNamedBackend('away')];
    const rows = [
      { id: 'away', port: away.port },
      { id: 'home', port: home.port, region: 'eu', country: 'DE' },
    ];
    const path = join(await temporaryFolder(), 'edgeproxy.toml');
    await writeFile(path, '[geoip.cidrs]\n"203.0.113.0/24" = "DE"\n');
    const { daemon } = await anEdge(rows, { env: { ...ENGINE, ...TRUSTING, EDGEPROXY_CONFIG: path } });
    for (const header of [encodeV1(ANNOUNCED), encodeV2(ANNOUNCED)])
      expect((await reflection(daemon.port, withHello(header))).toString()).toBe('hello');
    expect(await debugLine(daemon, 'client connected to backend', '203.0.113.7')).toMatchObject({
      backend: 'home',
    });
    expect(daemon.logs.filter((line) => line['client'] === PROXY)).toEqual([]);
  });

  it('hands on what others than trusted proxies say, header or not', async () => {
    const mirror = await aMirror();
    const { daemon } = await anEdge([{ id: 'a', port: mirror.port }], { env: { ...ENGINE, ...TRUSTING } });
    const spoof = withHello(encodeV1(ANNOUNCED));
    expect(await reflection(daemon.port, spoof, '127.0.0.1')).toEqual(spoof);
    expect(await debugLine(daemon, 'client connected to backend', '127.0.0.1')).toBeDefined();
  });

  it('turns trusted proxies away that do not say whom they speak for, counted and logged', async () => {
    const mirror = await aMirror();
    const { daemon } = await anEdge([{ id: 'a', port: mirror.port }], { env: { ...ENGINE, ...TRUSTING } });
    const bad = ascii('GET / HTTP/1.1\r\n\r\n');
    expect(await reflection(daemon.port, bad).catch(() => Buffer.of())).toEqual(Buffer.of());
    const silent = await aClient(daemon.port, { localAddress: PROXY });
    await readAll(silent).catch(() => undefined);
    expect(await daemon.metric(REFUSED)).toBe(2);
    const refusals = daemon.logs.filter((line) => line.msg === 'client refused');
    expect(refusals).toMatchObject([
      { client: PROXY, reason: 'bad_proxy_header', detail: 'begins like neither version of the protocol' },
      { client: PROXY, reason: 'bad_proxy_header', detail: 'does not come within 3000 ms' },
    ]);
    expect(await daemon.log('clients are refused')).toMatchObject({ reason: 'bad_proxy_header' });
    expect(await daemon.metric('edgeproxy_backend_errors_total{backend="a"}')).toBe(0);
  });

  it('sends backends what the settings say, or their rows, from the next connection on', async () => {
    const mirror = await aMirror();
    const { daemon, database } = await anEdge([{ id: 'a', port: mirror.port }], {
      env: { ...ENGINE, ...TRUSTING, EDGEPROXY_PROXY_PROTOCOL_SEND: 'v1' },
    });
    const tlvs = writeTlvs([
      { type: 0x02, value: ascii('example.com') },
      { type: 0x03, value: new Uint8Array(4) },
    ]);
    const question = withHello(encodeV2(ANNOUNCED, tlvs));
    expect((await reflection(daemon.port, question)).toString()).toBe(
      'PROXY TCP4 203.0.113.7 198.51.100.9 50000 443\r\nhello',
    );

    await database.query("UPDATE backends SET proxy_protocol = 'v2' WHERE id = 'a'");
    const received = await until(
      async () => {
        const bytes = await reflection(daemon.port, question);
        return bytes[0] === 0x0d && bytes;
      },
      { what: 'a header of version 2' },
    );
    const header = parseProxyHeader(received, received.length);
    expect(header).toMatchObject({ kind: 'header', version: 2, endpoints: ANNOUNCED });
    expect('tlvs' in header && readTlvs(header.tlvs)!.map(({ type }) => type)).toEqual([0x02, 0x03]);
    expect(received.subarray(-5).toString()).toBe('hello');

    await database.query("UPDATE backends SET proxy_protocol = 'off' WHERE id = 'a'");
    await until(async () => (await reflection(daemon.port, question)).toString() === 'hello', {
      what: 'no header',
    });

    await database.query("UPDATE backends SET proxy_protocol = 'v3' WHERE id = 'a'");
    expect(await daemon.log('backend row skipped')).toMatchObject({
      problems: ['proxy_protocol = "v3": expected off, v1 or v2'],
    });
  });
});
