import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aRegistrationApi, BODY } from '../../support/registration.ts';
import { anyRequests, badBodies, head, isRefusal, MIB, posted, send } from '../../support/siege.ts';

const REGISTER = 'POST /api/v1/register HTTP/1.1';

/** An API whose every answer has to be a refusal, and that has to be well afterwards. */
async function aBesiegedApi() {
  const api = await aRegistrationApi({ limits: { headMs: 1_000, requestMs: 1_000 } });
  return {
    ...api,
    isWell: async (): Promise<void> => {
      expect((await api.ask('/health')).json).toMatchObject({ status: 'ok', registered_backends: 0 });
      expect(api.logs.filter(([level]) => level === 'error')).toEqual([]);
    },
  };
}

describe('the registration API, sent', () => {
  it('any body, refuses it and goes on', async () => {
    const { port, isWell } = await aBesiegedApi();
    const bodies = badBodies(BODY);
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        const statuses = await send(port, posted(REGISTER, body));
        expect(statuses).toHaveLength(1);
        expect(statuses.every(isRefusal)).toBe(true);
      }),
      { numRuns: 300 },
    );
    await isWell();
  });

  it('anything that may be a request, refuses it or hangs up', async () => {
    const { port, isWell } = await aBesiegedApi();
    const lines = [
      'GET /api/v1/backends/none HTTP/1.1',
      'PATCH /api/v1/register HTTP/1.1',
      'DELETE /../../etc/passwd HTTP/1.1',
      'POST http://evil.example/api/v1/register HTTP/1.1',
      'CONNECT evil.example:443 HTTP/1.1',
      'PRI * HTTP/2.0',
      'POST /api/v1/register HTTP/1.1\r\ntransfer-encoding: chunked',
      'POST /api/v1/register HTTP/1.1\r\nupgrade: websocket',
      'get',
      '',
    ];
    await fc.assert(
      fc.asyncProperty(anyRequests(lines), async (bytes) => {
        const statuses = await send(port, bytes, { isCut: true });
        expect(statuses.every(isRefusal)).toBe(true);
      }),
      { numRuns: 300 },
    );
    await isWell();
  });

  it.each(['content-length', 'transfer-encoding'])('10 MiB by %s, refuses them or hangs up', async (by) => {
    const { port, ask, isWell } = await aBesiegedApi();
    const body = Buffer.alloc(10 * MIB, 'x');
    const fields = { 'content-type': 'application/json' };
    const bytes =
      by === 'content-length'
        ? posted(REGISTER, body)
        : Buffer.concat([
            Buffer.from(head({ ...fields, 'transfer-encoding': 'chunked' }, REGISTER)),
            Buffer.from(`${body.length.toString(16)}\r\n`),
            body,
            Buffer.from('\r\n0\r\n\r\n'),
          ]);
    expect((await send(port, bytes)).every((status) => status === 413)).toBe(true);
    // Where nothing of a body is wanted, it is not read either.
    const unwanted = await ask('/api/v1/heartbeat/none', { method: 'POST', body }).catch(() => undefined);
    expect(unwanted === undefined || unwanted.status === 404).toBe(true);
    await isWell();
  });

  it('a body that never comes to its end, gives up on it', async () => {
    const { port, isWell, changes } = await aBesiegedApi();
    const bytes = posted(REGISTER, Buffer.from(JSON.stringify(BODY)));
    expect(await send(port, bytes.subarray(0, -1))).toEqual([408]);
    await send(port, bytes.subarray(0, -1), { isCut: true });
    expect(changes).toEqual([]);
    await isWell();
  });
});
