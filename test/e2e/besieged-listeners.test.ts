import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DaemonAddresses } from '../../src/daemon.ts';
import {
  aDaemon,
  aDatabase,
  anEchoBackend,
  anEchoClient,
  exchange,
  putBackends,
  untilApplied,
} from '../support/edge.ts';
import { postgresEnv } from '../support/daemon.ts';
import { askApi } from '../support/registration.ts';
import { anyRequests, isRefusal, MIB, posted, send } from '../support/siege.ts';

const LINES = [
  'GET /admin/v1/connections?after=x&limit=0 HTTP/1.1',
  'POST /admin/v1/explain HTTP/1.1\r\ntransfer-encoding: chunked',
  'POST /admin/v1/backends/a/drain HTTP/1.1\r\norigin: http://evil.example',
  'PUT /admin/v1/log-level HTTP/1.1',
  'PATCH /api/v1/register HTTP/1.1',
  'DELETE /api/v1/backends/none HTTP/1.1',
  'BREW /metrics HTTP/1.1',
  'GET /metrics/../../etc/passwd HTTP/1.1',
  'CONNECT evil.example:443 HTTP/1.1',
  'PRI * HTTP/2.0',
  '',
];

describe('a daemon whose listeners are sent anything', () => {
  it('refuses it or hangs up, and goes on serving its clients', async () => {
    const database = await aDatabase();
    const daemon = await aDaemon({
      env: {
        ...postgresEnv(database.url),
        EDGEPROXY_API_ENABLED: 'true',
        EDGEPROXY_API_LISTEN_ADDR: '127.0.0.1:0',
        EDGEPROXY_API_MAX_REQUESTS: '100000',
        EDGEPROXY_ADMIN_ENABLED: 'true',
        EDGEPROXY_ADMIN_LISTEN_ADDR: '127.0.0.1:0',
      },
    });
    const echo = await anEchoBackend();
    await putBackends(database, { id: 'a', port: echo.port });
    await untilApplied(daemon, 1);
    const { admin, api, metrics } = (await daemon.log('accepting clients')) as unknown as DaemonAddresses;
    const client = await anEchoClient(daemon.port);
    for (const { port } of [admin!, api!, metrics!]) {
      await fc.assert(
        fc.asyncProperty(anyRequests(LINES), async (bytes) => {
          const statuses = await send(port, bytes, { isCut: true });
          expect(statuses.every(isRefusal)).toBe(true);
        }),
        { numRuns: 60 },
      );
      const large = posted('POST /admin/v1/explain HTTP/1.1', Buffer.alloc(10 * MIB, 'x'));
      expect((await send(port, large)).every(isRefusal)).toBe(true);
      await exchange(client, 'still here');
    }
    await anEchoClient(daemon.port);
    expect((await askApi(admin!.port, '/admin/v1/backends?id=a')).json).toMatchObject({
      backends: [{ id: 'a', adminUp: true, connections: 2 }],
    });
    expect(daemon.logs.filter(({ level }) => level === 'error')).toEqual([]);
    expect(daemon.logs.filter(({ msg }) => msg === 'changed by an operator')).toEqual([]);
  });
});
