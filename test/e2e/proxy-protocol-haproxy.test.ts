import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseProxyHeader } from '../../src/domain/proxy-protocol/parse-header.ts';
import { readTlvs } from '../../src/domain/proxy-protocol/tlvs.ts';
import { anEdge } from '../support/edge.ts';
import { anHaproxy, hasHaproxy } from '../support/haproxy.ts';
import { pathFromRoot } from '../support/markdown.ts';
import { aMirror, reflected } from '../support/mirror.ts';
import { endpointsOf } from '../support/proxy-headers.ts';
import { freePort, httpGet } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const CLIENT = '127.0.0.5';
const REFUSED = 'edgeproxy_connections_refused_total{reason="bad_proxy_header"}';
const TRUSTING = { EDGEPROXY_PROXY_PROTOCOL_TRUSTED: '127.0.0.1' };

/** Says hello from the address of a client. */
const hello = (port: number) => reflected(port, 'hello', CLIENT);

it('HAProxy is what CI installs', () => {
  expect(readFileSync(pathFromRoot('.ci/run'), 'utf8')).toMatch(/apt-get install .*\bhaproxy\b/);
});

describe.runIf(await hasHaproxy()).each(['epoll', 'net'])(
  'with HAProxy, the daemon, engine %s,',
  (engine) => {
    const ENGINE = { EDGEPROXY_ENGINE: engine, EDGEPROXY_THREADS: '2' };

    it.each(['send-proxy', 'send-proxy-v2', 'send-proxy-v2 proxy-v2-options crc32c,unique-id'])(
      'takes clients from it (%s), and passes on what it says',
      async (option) => {
        const mirror = await aMirror();
        const { daemon } = await anEdge([{ id: 'a', port: mirror.port }], {
          env: { ...ENGINE, ...TRUSTING, EDGEPROXY_PROXY_PROTOCOL_SEND: 'v2' },
        });
        const port = await freePort();
        await anHaproxy(
          `listen front\n  bind 127.0.0.1:${port}\n  unique-id-format id-%cp\n` +
            `  server edge 127.0.0.1:${daemon.port} source 127.0.0.1 ${option}\n`,
          port,
        );
        const { received, localPort } = await hello(port);
        const header = parseProxyHeader(received, received.length);
        expect(header).toMatchObject({
          kind: 'header',
          endpoints: endpointsOf(CLIENT, localPort, '127.0.0.1', port),
        });
        expect(received.subarray(-5).toString()).toBe('hello');
        const tlvs = 'tlvs' in header ? readTlvs(header.tlvs)! : [];
        const isExtended = option.includes('options');
        expect(tlvs.map(({ type, value }) => (type === 5 ? Buffer.from(value).toString() : type))).toEqual(
          isExtended ? expect.arrayContaining([3, `id-${localPort}`]) : [],
        );
        expect(await daemon.metric(REFUSED)).toBe(0);
      },
    );

    it('takes its health checks, which speak for HAProxy itself', async () => {
      const mirror = await aMirror();
      const { daemon } = await anEdge([{ id: 'a', port: mirror.port }], { env: { ...ENGINE, ...TRUSTING } });
      const ports = [await freePort(), await freePort()];
      const sections = ['send-proxy', 'send-proxy-v2'].map(
        (option, index) =>
          `listen front-${index}\n  bind 127.0.0.1:${ports[index]}\n` +
          `  server edge 127.0.0.1:${daemon.port} source 127.0.0.1 check inter 20ms ${option}\n`,
      );
      await anHaproxy(sections.join('\n'), ports[0]!);
      for (const port of ports) expect((await hello(port)).received.toString()).toBe('hello');
      await until(async () => (await daemon.metric('edgeproxy_connections_total'))! > 20, { what: 'checks' });
      expect(await daemon.metric(REFUSED)).toBe(0);
    });

    it.each(['v1', 'v2'])(
      'sends it headers that it accepts (%s), of its clients and of its probes',
      async (send) => {
        const port = await freePort();
        await anHaproxy(
          `frontend origin\n  mode http\n  bind 127.0.0.1:${port} accept-proxy\n` +
            '  http-request return status 200 content-type text/plain lf-string "%[src]:%[src_port] %[dst]:%[dst_port]"\n',
          port,
        );
        const { daemon } = await anEdge([{ id: 'a', port }], {
          env: {
            ...ENGINE,
            EDGEPROXY_PROXY_PROTOCOL_SEND: send,
            EDGEPROXY_HEALTH_CHECK_ENABLED: 'true',
            EDGEPROXY_HEALTH_CHECK_TYPE: 'http',
            EDGEPROXY_HEALTH_CHECK_PATH: '/',
            EDGEPROXY_HEALTH_HEALTHY_THRESHOLD: '1',
          },
        });
        const { status, body } = await httpGet(daemon.port, '/', { localAddress: CLIENT });
        expect(status).toBe(200);
        expect(body).toMatch(new RegExp(`^127\\.0\\.0\\.5:\\d+ 127\\.0\\.0\\.1:${daemon.port}$`));
        await until(async () => (await daemon.metric('edgeproxy_backend_healthy{backend="a"}')) === 1, {
          what: 'probes that pass',
        });
      },
    );
  },
);
