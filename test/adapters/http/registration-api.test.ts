import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { EdgeProxyError } from '../../../src/errors.ts';
import { type Document, answerAsDescribed } from '../../support/openapi.ts';
import { aRegistrationApi, type ApiAsk, BODY, TOKENS } from '../../support/registration.ts';

const authorized = (role: string) => ({
  authorization: `Bearer ${TOKENS.find((one) => one.role === role)?.token ?? 'x'.repeat(30)}`,
});

const NO_DATABASE = new EdgeProxyError('ERR_POSTGRES', 'no session at db:5432/edge');

describe('the registration API', () => {
  it('answers as the original does', async () => {
    const { ask, pass } = await aRegistrationApi();
    expect(await ask('/api/v1/register', { body: BODY })).toMatchObject({
      status: 201,
      json: { id: 'web-1', registered: true, message: 'Backend registered successfully' },
    });
    pass(5_900);
    expect(await ask('/api/v1/heartbeat/web-1', { method: 'POST' })).toMatchObject({
      status: 200,
      json: { id: 'web-1', status: 'ok' },
    });
    pass(1_000);
    const status = {
      id: 'web-1',
      app: 'web',
      region: 'eu',
      ip: '10.50.1.1',
      port: 8080,
      healthy: true,
      last_heartbeat_secs: 1,
      registered_secs: 6,
    };
    const one = await ask('/api/v1/backends/web-1');
    expect([one.status, one.json]).toEqual([200, status]);
    const all = await ask('/api/v1/backends');
    expect([all.status, all.json]).toEqual([200, { backends: [status], total: 1 }]);
    pass(59_000);
    expect((await ask('/api/v1/backends/web-1')).json).toMatchObject({ healthy: false });
    expect((await ask('/health')).json).toEqual({ status: 'ok', version: '1.2.3', registered_backends: 1 });
    const gone = await ask('/api/v1/backends/web-1', { method: 'DELETE' });
    expect([gone.status, gone.json]).toEqual([200, { id: 'web-1', deregistered: true }]);
  });

  it('answers as the original does for an id that is not registered', async () => {
    const { ask } = await aRegistrationApi();
    const answers = await Promise.all([
      ask('/api/v1/heartbeat/none', { method: 'POST' }),
      ask('/api/v1/backends/none'),
      ask('/api/v1/backends/none', { method: 'DELETE' }),
    ]);
    expect(answers.map(({ status, json }) => [status, json])).toEqual([
      [404, { id: 'none', error: 'backend not registered' }],
      [404, { error: 'backend not found' }],
      [404, { id: 'none', error: 'backend not found' }],
    ]);
  });

  it.each(['a b', 'ä/ö?#%', '日本', 'a'.repeat(200), '100%', '...'])(
    'knows the id %j in a path',
    async (id) => {
      const { ask } = await aRegistrationApi();
      expect((await ask('/api/v1/register', { body: { ...BODY, id } })).status).toBe(201);
      const path = `/api/v1/backends/${encodeURIComponent(id)}`;
      expect((await ask(path)).json).toMatchObject({ id });
      expect((await ask(path, { method: 'DELETE' })).json).toEqual({ id, deregistered: true });
    },
  );

  it.each(['%00', '%0a', 'x'.repeat(5_000)])('asks nobody for a backend under %s', async (path) => {
    const { ask, told } = await aRegistrationApi();
    told.failure = new Error('asked for an id that nobody can have');
    expect((await ask(`/api/v1/heartbeat/${path}`, { method: 'POST' })).status).toBe(404);
    expect((await ask(`/api/v1/backends/${path}`)).status).toBe(404);
    expect((await ask(`/api/v1/backends/${path}`, { method: 'DELETE' })).status).toBe(404);
  });

  it.each(['%ff', '%E0%A4%A', '%'])('has no backend under %s, which is no text', async (path) => {
    const { ask } = await aRegistrationApi();
    expect((await ask(`/api/v1/backends/${path}`)).status).toBe(404);
  });

  it('tells of every change with who made it, and of heartbeats', async () => {
    const { ask, changes, beats, logs } = await aRegistrationApi({ tokens: TOKENS });
    const headers = authorized('register');
    const post = (path: string, body?: object) =>
      ask(path, { method: 'POST', headers, ...(body && { body }) });
    await post('/api/v1/register', BODY);
    await post('/api/v1/register', BODY);
    await post('/api/v1/register', { ...BODY, port: 1 });
    await post('/api/v1/heartbeat/web-1');
    await post('/api/v1/heartbeat/none');
    await ask('/api/v1/backends/web-1', { method: 'DELETE', headers: authorized('admin') });
    const by = { address: '127.0.0.1', role: 'register' };
    expect(changes).toEqual([
      ['registered', 'web-1', by],
      ['updated', 'web-1', by],
      ['deregistered', 'web-1', { address: '127.0.0.1', role: 'admin' }],
    ]);
    expect(beats).toEqual(['heard', 'heard', 'unknown']);
    expect(logs).toEqual([]);
  });

  it('names what is wrong with a body', async () => {
    const { ask, changes } = await aRegistrationApi();
    const cases: readonly (readonly [ApiAsk, number, string])[] = [
      [{ body: { ...BODY, port: 70_000 } }, 400, 'port = 70000: expected a port, 1 to 65535'],
      [{ body: '{' }, 400, 'the body is not JSON in UTF-8: '],
      [{ body: '' }, 400, 'the body is not JSON in UTF-8: '],
      [{ body: Uint8Array.of(0x22, 0xff, 0x22) }, 400, 'the body is not JSON in UTF-8: '],
      [{ body: '[]' }, 400, 'the body: expected a JSON object of the fields id, app, region, ip and port'],
      [{ body: BODY, headers: { 'content-type': 'text/plain' } }, 415, 'expected a body with Content-Type'],
      [{ body: `{"id":"${'x'.repeat(65_536)}"}` }, 413, 'expected a body of at most 65536 bytes'],
      [{ body: { ...BODY, id: 'taken' } }, 409, 'the id "taken" is a backend of the configuration file'],
    ];
    for (const [body, status, error] of cases) {
      const answer = await ask('/api/v1/register', body);
      expect([answer.status, answer.json]).toEqual([
        status,
        expect.objectContaining({ error: expect.stringContaining(error) }),
      ]);
    }
    expect(changes).toEqual([]);
  });

  it('says which privilege the daemon lacks', async () => {
    const { ask, told, logs } = await aRegistrationApi();
    const lack = 'the role of this daemon may not keep registrations: GRANT it';
    told.failure = new EdgeProxyError('ERR_POSTGRES_SCHEMA', lack);
    expect(await ask('/api/v1/register', { body: BODY })).toMatchObject({
      status: 503,
      json: { error: `nothing has changed: ${lack}` },
    });
    expect(await ask('/api/v1/backends')).toMatchObject({ status: 503, json: { error: lack } });
    expect(logs).toContainEqual([
      'warn',
      'registrations cannot be read or written',
      { error: lack, times: 1 },
    ]);
  });

  it('tells a client that may try again from one that may not, and the log why', async () => {
    const { ask, told, logs, changes } = await aRegistrationApi();
    told.failure = NO_DATABASE;
    const answers = await Promise.all([
      ask('/api/v1/register', { body: BODY }),
      ask('/api/v1/heartbeat/web-1', { method: 'POST' }),
      ask('/api/v1/backends'),
      ask('/api/v1/backends/web-1'),
      ask('/api/v1/backends/web-1', { method: 'DELETE' }),
    ]);
    for (const { status, headers } of answers) expect([status, headers['retry-after']]).toEqual([503, '5']);
    const [changed, looked] = [
      'nothing has changed: the database does not answer',
      'the database does not answer',
    ];
    expect(answers.map(({ json }) => json)).toEqual(
      [changed, changed, looked, looked, changed].map((error) => ({ error })),
    );
    expect(logs).toEqual([
      ['warn', 'registrations cannot be read or written', { error: NO_DATABASE.message, times: 1 }],
    ]);
    expect((await ask('/health')).status).toBe(200);
    delete told.failure;
    told.outcome = { result: 'refused', reason: 'value too long' };
    expect(await ask('/api/v1/register', { body: BODY })).toMatchObject({
      status: 400,
      json: { error: 'the table backends does not take it: value too long' },
    });
    expect(changes).toEqual([]);
  });

  it('names what may be asked where something else was', async () => {
    const { ask } = await aRegistrationApi();
    const answer = await ask('/api/v1/backends/web-1', { method: 'PUT' });
    expect([answer.status, answer.headers['allow'], answer.json]).toEqual([
      405,
      'GET, DELETE',
      { error: 'PUT is not served here, only GET, DELETE' },
    ]);
    expect(await ask('/api/v2/backends')).toMatchObject({
      status: 404,
      json: { error: 'nothing is served here' },
    });
  });

  it('limits how often an address may ask, before its token is looked at', async () => {
    const asked: string[] = [];
    const { ask, statuses, logs } = await aRegistrationApi({
      tokens: TOKENS,
      admit: (address) => asked.push(address) <= 2,
    });
    expect((await ask('/api/v1/backends', { headers: authorized('nobody') })).status).toBe(401);
    expect((await ask('/api/v1/backends', { headers: authorized('read') })).status).toBe(200);
    const refused = await ask('/api/v1/backends', { headers: authorized('read') });
    expect([refused.status, refused.headers['retry-after']]).toEqual([429, '1']);
    expect(refused.json).toEqual({ error: 'this address asks too often, wait a second' });
    expect(asked).toEqual(['127.0.0.1', '127.0.0.1', '127.0.0.1']);
    expect(statuses).toEqual([401, 200, 429]);
    expect(logs.at(-1)).toEqual(['warn', 'api requests come too often', { address: '127.0.0.1', times: 1 }]);
  });

  it('has no place for other sites and rebound names where no token is asked for', async () => {
    const { ask } = await aRegistrationApi();
    const statusOf = async (headers: Record<string, string>) =>
      (await ask('/api/v1/register', { body: BODY, headers })).status;
    expect(await statusOf({ host: 'evil.example' })).toBe(403);
    expect(await statusOf({ origin: 'http://evil.example' })).toBe(403);
    expect(await statusOf({ 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await statusOf({ host: 'localhost:8081' })).toBe(201);
  });

  it('may be called any name where a token is asked for', async () => {
    const { ask } = await aRegistrationApi({ tokens: TOKENS });
    const headers = { host: 'hub.internal:8081', ...authorized('register') };
    expect((await ask('/api/v1/register', { body: BODY, headers })).status).toBe(201);
    expect((await ask('/api/v1/backends', { headers: { host: 'hub.internal' } })).status).toBe(401);
    const evil = { ...headers, origin: 'http://evil.example' };
    expect((await ask('/api/v1/register', { body: BODY, headers: evil })).status).toBe(403);
  });
});

describe('a role', () => {
  const READS = ['/api/v1/backends', '/api/v1/backends/web-1'];
  it.each([
    ['nobody', 401, 401],
    ['read', 200, 403],
    ['register', 200, 201],
    ['admin', 200, 201],
  ])('%s gets %i for a look and %i for a change', async (role, look, change) => {
    const { ask } = await aRegistrationApi({ tokens: TOKENS });
    await ask('/api/v1/register', { body: BODY, headers: authorized('register') });
    const headers = authorized(role);
    for (const path of READS) expect((await ask(path, { headers })).status).toBe(look);
    expect((await ask('/api/v1/register', { body: BODY, headers })).status).toBe(change);
    const ok = change === 201 ? 200 : change;
    expect((await ask('/api/v1/heartbeat/web-1', { method: 'POST', headers })).status).toBe(ok);
    expect((await ask('/api/v1/backends/web-1', { method: 'DELETE', headers })).status).toBe(ok);
    for (const path of ['/health', '/openapi.json']) expect((await ask(path, { headers })).status).toBe(200);
  });

  it('that is missing, not known or too low is told, and no token is', async () => {
    const { ask, logs } = await aRegistrationApi({ tokens: TOKENS });
    const none = await ask('/api/v1/backends');
    expect(none.json).toEqual({ error: 'send the api token as Authorization: Bearer TOKEN' });
    expect(none.headers['www-authenticate']).toBe('Bearer realm="edgeproxy api"');
    const wrong = await ask('/api/v1/backends', { headers: { authorization: 'Bearer nobody-has-this-one' } });
    expect(wrong.json).toEqual({ error: 'this token is not known, send the api token' });
    expect(wrong.headers['www-authenticate']).toBe('Bearer realm="edgeproxy api", error="invalid_token"');
    const low = await ask('/api/v1/register', { body: BODY, headers: authorized('read') });
    expect(low.json).toEqual({ error: 'this token is of the role read, expected one of the role register' });
    expect(low.headers['www-authenticate']).toBe(
      'Bearer realm="edgeproxy api", error="insufficient_scope", scope="register"',
    );
    const text = JSON.stringify([none, wrong, low, logs]);
    for (const token of [...TOKENS.map((known) => known.token), 'nobody-has-this-one'])
      expect(text).not.toContain(token);
  });
});

describe('the OpenAPI document', () => {
  it('says what every operation answers, and no operation answers anything else', async () => {
    const api = await aRegistrationApi({ tokens: TOKENS, admit: () => isAdmitted });
    let isAdmitted = true;
    const document = (await api.ask('/openapi.json')).json as Document;
    const headers = authorized('register');
    const post = (path: string, body?: unknown): readonly [string, ApiAsk] => [
      path,
      { method: 'POST', headers, ...(body === undefined ? {} : { body: body as object }) },
    ];
    const get = (path: string, method = 'GET'): readonly [string, ApiAsk] => [path, { method, headers }];
    const requests: Readonly<Record<string, readonly (readonly [string, ApiAsk])[]>> = {
      health: [get('/health')],
      register: [
        post('/api/v1/register', BODY),
        post('/api/v1/register', '{'),
        post('/api/v1/register', { ...BODY, id: 'taken' }),
        post('/api/v1/register', 'x'.repeat(65_537)),
        [
          '/api/v1/register',
          { method: 'POST', headers: { ...headers, 'content-type': 'text/plain' }, body: '{}' },
        ],
      ],
      heartbeat: [post('/api/v1/heartbeat/web-1'), post('/api/v1/heartbeat/none')],
      listBackends: [get('/api/v1/backends')],
      getBackend: [get('/api/v1/backends/web-1'), get('/api/v1/backends/none')],
      deregister: [get('/api/v1/backends/web-1', 'DELETE'), get('/api/v1/backends/web-1', 'DELETE')],
    };
    const checked = answerAsDescribed({
      document,
      requests,
      ask: (path, ask) => api.ask(path, ask),
      async provoke({ responses }, [path, ask], answer) {
        await answer([path, { ...ask, headers: { ...ask.headers, origin: 'http://evil.example' } }]);
        if ('401' in responses) await answer([path, { ...ask, headers: authorized('nobody') }]);
        if ('503' in responses) {
          api.told.failure = NO_DATABASE;
          await answer([path, ask]);
          api.told.failure = new Error('a mistake of ours');
          await answer([path, ask]);
          delete api.told.failure;
        }
        isAdmitted = false;
        await answer([path, ask]);
        isAdmitted = true;
      },
      // Nothing in /health can fail.
      unseen: (operationId) => (operationId === 'health' ? ['500'] : []),
    });
    await expect(checked).resolves.toBeUndefined();
  });

  it('describes the body of a registration as it is taken', async () => {
    const { ask } = await aRegistrationApi();
    const document = (await ask('/openapi.json')).json as Document;
    const { schema } = document.paths['/api/v1/register']!['post']!.requestBody!.content['application/json'];
    const described = z.fromJSONSchema(schema);
    const bodies = [
      BODY,
      { ...BODY, country: null },
      { ...BODY, port: 0 },
      { ...BODY, id: '' },
      { ...BODY, ip: 'name' },
      { ...BODY, more: 1 },
      {},
    ];
    for (const body of bodies) {
      const { status } = await ask('/api/v1/register', { body });
      expect([body, described.safeParse(body).success]).toEqual([body, status === 201]);
    }
    expect(schema).toMatchObject({
      required: ['id', 'app', 'region', 'ip', 'port'],
      properties: { weight: { default: 2 }, soft_limit: { default: 100 }, hard_limit: { default: 150 } },
    });
  });
});
