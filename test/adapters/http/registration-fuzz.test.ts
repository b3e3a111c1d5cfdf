import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aRegistrationApi, BODY } from '../../support/registration.ts';
import { readAll, tcpConnect } from '../../support/sockets.ts';

const MIB = 1_048_576;

/** What a client got that sent this and ended: the status lines, or nothing from a connection that was closed. */
async function send(port: number, bytes: Uint8Array, { isCut = false } = {}): Promise<readonly number[]> {
  const socket = await tcpConnect(port, '127.0.0.1', { allowHalfOpen: true });
  // Whoever sends more than is read may be reset before it has read the answer.
  const answer = readAll(socket).catch(() => Buffer.alloc(0));
  if (isCut) socket.end(bytes);
  else socket.write(bytes);
  const text = (await answer).toString('latin1');
  socket.destroy();
  return [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status));
}

const head = (fields: Readonly<Record<string, string>>, line = 'POST /api/v1/register HTTP/1.1'): string =>
  [
    line,
    ...Object.entries({ host: 'localhost', connection: 'close', ...fields }).map(([k, v]) => `${k}: ${v}`),
  ]
    .join('\r\n')
    .concat('\r\n\r\n');

const posted = (body: Uint8Array): Uint8Array =>
  Buffer.concat([
    Buffer.from(head({ 'content-type': 'application/json', 'content-length': String(body.length) })),
    body,
  ]);

const isRefusal = (status: number): boolean => status >= 400 && status < 500;

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
    const bodies = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ minLength: 65_000, maxLength: 70_000, size: 'max' }),
      fc.json().map((text) => Buffer.from(text)),
      fc
        .nat(JSON.stringify(BODY).length - 1)
        .map((length) => Buffer.from(JSON.stringify(BODY).slice(0, length))),
      fc
        .tuple(fc.constantFrom('[', '{"a":', '[{"id":'), fc.integer({ min: 1, max: 60_000 }))
        .map(([open, depth]) => Buffer.from(open.repeat(depth).slice(0, 65_000))),
      fc
        .record({
          id: fc.jsonValue(),
          app: fc.jsonValue(),
          port: fc.jsonValue(),
          ['__proto__']: fc.jsonValue(),
        })
        .map((body) => Buffer.from(JSON.stringify({ ...BODY, region: 1, ...body }))),
    );
    await fc.assert(
      fc.asyncProperty(bodies, async (body) => {
        const statuses = await send(port, posted(body));
        expect(statuses).toHaveLength(1);
        expect(statuses.every(isRefusal)).toBe(true);
      }),
      { numRuns: 300 },
    );
    await isWell();
  });

  it('anything that may be a request, refuses it or hangs up', async () => {
    const { port, isWell } = await aBesiegedApi();
    const lines = fc.constantFrom(
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
    );
    const texts = fc.string({ unit: 'binary-ascii', maxLength: 30 });
    const requests = fc
      .tuple(
        lines,
        fc.dictionary(fc.stringMatching(/^[a-z-]{1,12}$/), texts, { maxKeys: 5 }),
        fc.uint8Array(),
      )
      .map(([line, fields, rest]) => Buffer.concat([Buffer.from(head(fields, line)), rest]));
    await fc.assert(
      fc.asyncProperty(fc.oneof(requests, fc.uint8Array({ maxLength: 500 })), async (bytes) => {
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
        ? posted(body)
        : Buffer.concat([
            Buffer.from(head({ ...fields, 'transfer-encoding': 'chunked' })),
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
    const bytes = posted(Buffer.from(JSON.stringify(BODY)));
    expect(await send(port, bytes.subarray(0, -1))).toEqual([408]);
    await send(port, bytes.subarray(0, -1), { isCut: true });
    expect(changes).toEqual([]);
    await isWell();
  });
});
