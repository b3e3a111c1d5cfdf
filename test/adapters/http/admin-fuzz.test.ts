import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { anAdminApi } from '../../support/admin-api.ts';
import { anyRequests, badBodies, head, isRefusal, MIB, posted, send } from '../../support/siege.ts';

const EXPLAIN = 'POST /admin/v1/explain HTTP/1.1';
const LEVEL = 'PUT /admin/v1/log-level HTTP/1.1';
const PLAN = 'POST /admin/v1/plan HTTP/1.1';

/** An API whose every answer has to be a refusal, and that has to be well afterwards. */
async function aBesiegedApi() {
  const api = await anAdminApi({ limits: { headMs: 1_000, requestMs: 1_000 } });
  return {
    ...api,
    isWell: async (): Promise<void> => {
      expect((await api.ask('/admin/v1/log-level')).json).toMatchObject({ level: 'info' });
      const isChange = (message: string): boolean => message === 'changed by an operator';
      expect(api.logs.filter(([at, message]) => at === 'error' || isChange(message))).toEqual([]);
    },
  };
}

describe('the admin API, sent', () => {
  it.each([
    [EXPLAIN, { client: '192.0.2.1', limit: 7 }],
    [LEVEL, { level: 'debug' }],
    [PLAN, { file: { path: 'x', content: '' }, settingRows: [], backendRows: [] }],
  ])('any body by %s, refuses it and goes on', async (line, good) => {
    const { port, isWell } = await aBesiegedApi();
    await fc.assert(
      fc.asyncProperty(badBodies(good), async (body) => {
        const statuses = await send(port, posted(line, body));
        expect(statuses).toHaveLength(1);
        expect(statuses.every(isRefusal)).toBe(true);
      }),
      { numRuns: 100 },
    );
    await isWell();
  });

  it('anything that may be a request, refuses it or hangs up', async () => {
    const { port, isWell } = await aBesiegedApi();
    const lines = [
      'GET /admin/v1/backends?limit=-1 HTTP/1.1',
      'GET /admin/v1/connections?after=%00&after=x&limit=99999 HTTP/1.1',
      'GET /admin/v1/../../etc/passwd HTTP/1.1',
      'PATCH /admin/v1/log-level HTTP/1.1',
      'POST /admin/v1/explain HTTP/1.1\r\ntransfer-encoding: chunked',
      'POST http://evil.example/admin/v1/breakers/reset HTTP/1.1\r\nhost: evil.example',
      'CONNECT evil.example:443 HTTP/1.1',
      'PRI * HTTP/2.0',
      '',
    ];
    await fc.assert(
      fc.asyncProperty(anyRequests(lines), async (bytes) => {
        const statuses = await send(port, bytes, { isCut: true });
        expect(statuses.every(isRefusal)).toBe(true);
      }),
      { numRuns: 200 },
    );
    await isWell();
  });

  it.each([EXPLAIN, LEVEL])('10 MiB by %s, refuses them or hangs up', async (line) => {
    const { port, isWell } = await aBesiegedApi();
    const body = Buffer.alloc(10 * MIB, 'x');
    expect((await send(port, posted(line, body))).every((status) => status === 413)).toBe(true);
    await isWell();
  });

  it('17 MiB as a plan, refuses them or hangs up', async () => {
    const { port, isWell } = await aBesiegedApi();
    const statuses = await send(port, posted(PLAN, Buffer.alloc(17 * MIB, 'x')));
    expect(statuses.every((status) => status === 413)).toBe(true);
    await isWell();
  });

  it('a request without its end, gives up on it', async () => {
    const { port, isWell } = await aBesiegedApi();
    const whole = Buffer.from(posted(LEVEL, Buffer.from('{"level":"debug"}')));
    expect(await send(port, whole.subarray(0, -1))).toEqual([408]);
    expect(
      await send(port, Buffer.from(head({}, 'GET /admin/v1/backends HTTP/1.1')).subarray(0, -2)),
    ).toEqual([408]);
    await isWell();
  });
});
