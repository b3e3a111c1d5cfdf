import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createProbe } from '../../../src/adapters/probes/probe.ts';
import { parseProxyHeader } from '../../../src/domain/proxy-protocol/parse-header.ts';
import { endpointsOf } from '../../support/proxy-headers.ts';
import { freePort, once } from '../../support/sockets.ts';
import { http, LOOPBACK, settings, TCP, tcpServer, wanted } from './servers.ts';

const now = (): number => performance.now();
const probe = createProbe({ maxInFlight: 10, now });

describe.each([LOOPBACK, '::1'])('a probe of a backend on %s that wants PROXY headers', (host) => {
  it.each(['v1', 'v2'] as const)('begins with one of %s, made for itself, by TCP', async (header) => {
    const heard = Promise.withResolvers<{ readonly data: Buffer; readonly peer: Socket }>();
    const { port } = await tcpServer((peer) => {
      peer.on('error', () => {});
      peer.once('data', (data: Buffer) => heard.resolve({ data, peer }));
    }, host);
    const result = await probe({ host, port }, { ...settings(TCP), header }, wanted());
    expect(result).toMatchObject({ ok: true });
    const { data } = await heard.promise;
    const parsed = parseProxyHeader(data, data.length);
    expect(parsed).toMatchObject({ kind: 'header', headerBytes: data.length });
    expect(parsed).toMatchObject(
      header === 'v2'
        ? { version: 2, command: 'local' }
        : { version: 1, endpoints: { ...endpointsOf(host, 0, host, port), sourcePort: expect.any(Number) } },
    );
  });

  it.each(['v1', 'v2'] as const)('begins with one of %s before the request, by HTTP', async (header) => {
    const origin = createServer((_, response) => response.end('well'));
    onTestFinished(() => {
      origin.closeAllConnections();
      origin.close();
    });
    const commands: string[] = [];
    const { port } = await tcpServer((peer) => {
      peer.once('data', (data: Buffer) => {
        const parsed = parseProxyHeader(data, data.length);
        if (parsed.kind !== 'header') {
          peer.destroy();
          return;
        }
        commands.push(parsed.command);
        peer.pause();
        const rest = data.subarray(parsed.headerBytes);
        if (rest.length > 0) peer.unshift(rest);
        origin.emit('connection', peer);
        peer.resume();
      });
    }, host);
    const check = { ...settings(http('/health')), header };
    expect(await probe({ host, port }, check, wanted())).toMatchObject({ ok: true });
    expect(commands).toEqual([header === 'v2' ? 'local' : 'proxy']);
  });

  it('fails as any other when nobody listens', async () => {
    for (const check of [TCP, http()]) {
      const target = { host, port: await freePort() };
      const result = await probe(target, { ...settings(check), header: 'v1' }, wanted());
      expect(result).toMatchObject({ ok: false, error: 'refused' });
    }
  });
});

it('nobody asks for a header of is none', async () => {
  const seen: string[] = [];
  const origin = createServer((request, response) => {
    seen.push(request.url ?? '');
    response.end();
  });
  origin.listen(0, LOOPBACK);
  await once(origin, 'listening');
  onTestFinished(() => {
    origin.closeAllConnections();
    origin.close();
  });
  const { port } = origin.address() as AddressInfo;
  const check = { ...settings(http('/x')), header: 'off' as const };
  expect(await probe({ host: LOOPBACK, port }, check, wanted())).toMatchObject({ ok: true });
  expect(seen).toEqual(['/x']);
});
