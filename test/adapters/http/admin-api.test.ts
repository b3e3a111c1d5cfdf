import { describe, expect, it } from 'vitest';
import { EdgeProxyError } from '../../../src/errors.ts';
import { anAdminApi } from '../../support/admin-api.ts';
import { type Asked, type Document, answerAsDescribed } from '../../support/openapi.ts';
import { type ApiAsk, TOKENS } from '../../support/registration.ts';

const authorized = (role: string) => ({
  authorization: `Bearer ${TOKENS.find((one) => one.role === role)?.token ?? 'x'.repeat(30)}`,
});

const PATHS = {
  eligibleSet: '/admin/v1/eligible',
  backends: '/admin/v1/backends',
  connections: '/admin/v1/connections',
  explain: '/admin/v1/explain',
  drain: '/admin/v1/backends/a/drain',
  undrain: '/admin/v1/backends/a/undrain',
  resetBreaker: '/admin/v1/backends/a/reset-breaker',
  resetBreakers: '/admin/v1/breakers/reset',
  level: '/admin/v1/log-level',
  plan: '/admin/v1/plan',
};

/** A request of each operation that is answered well, and others that are not. */
function requestsAs(role: string): Readonly<Record<string, readonly Asked[]>> {
  const headers = authorized(role);
  const get = (path: string): Asked => [path, { headers }];
  const send = (path: string, method: string, body?: ApiAsk['body']): Asked => [
    path,
    { method, headers, ...(body === undefined ? {} : { body }) },
  ];
  const badBodies = (path: string, method: string): readonly Asked[] => [
    send(path, method, '{'),
    send(path, method, 'x'.repeat(65_537)),
    [path, { method, headers: { ...headers, 'content-type': 'text/plain' }, body: '{}' }],
  ];
  return {
    eligibleSet: [get(PATHS.eligibleSet), get(`${PATHS.eligibleSet}?limit=0`)],
    backends: [get(PATHS.backends), get(`${PATHS.backends}?nothing=1`)],
    connections: [get(PATHS.connections), get(`${PATHS.connections}?client=name`)],
    explain: [
      send(PATHS.explain, 'POST', { client: '192.0.2.1' }),
      ...badBodies(PATHS.explain, 'POST'),
      send(PATHS.explain, 'POST', { client: 'name' }),
    ],
    logLevel: [get(PATHS.level)],
    drain: [send(PATHS.drain, 'POST'), send(PATHS.drain, 'POST', {})],
    undrain: [send(PATHS.undrain, 'POST'), send(PATHS.undrain, 'POST', {})],
    resetBreaker: [send(PATHS.resetBreaker, 'POST')],
    resetBreakers: [send(PATHS.resetBreakers, 'POST')],
    setLogLevel: [send(PATHS.level, 'PUT', { level: 'warn' }), ...badBodies(PATHS.level, 'PUT')],
    resetLogLevel: [send(PATHS.level, 'DELETE')],
    configuration: [get('/admin/v1/config')],
    plan: [
      send(PATHS.plan, 'POST', {}),
      send(PATHS.plan, 'POST', { file: 7 }),
      [PATHS.plan, { method: 'POST', headers: { ...headers, 'transfer-encoding': 'chunked' } }],
    ],
  };
}

describe('the OpenAPI document of the admin API', () => {
  it('says what every operation answers, and no operation answers anything else', async () => {
    let isAdmitted = true;
    const api = await anAdminApi({ tokens: TOKENS, admit: () => isAdmitted });
    const document = (await api.ask('/admin/v1/openapi.json')).json as Document;
    const { told } = api;
    const checked = answerAsDescribed({
      document,
      requests: requestsAs('admin'),
      ask: (path, ask) => api.ask(path, ask),
      async provoke({ operationId }, [path, ask], answer) {
        await answer([path, { ...ask, headers: { ...ask.headers, origin: 'http://evil.example' } }]);
        await answer([path, { ...ask, headers: authorized('nobody') }]);
        isAdmitted = false;
        await answer([path, ask]);
        isAdmitted = true;
        told.failure = new Error('a mistake of ours');
        await answer([path, ask]);
        told.failure = new EdgeProxyError('ERR_POSTGRES', 'no session at db:5432/edge');
        await answer([path, ask]);
        delete told.failure;
        told.mayExplain = told.isValid = false;
        await answer([path, ask]);
        told.mayExplain = told.isValid = true;
        if (operationId === 'drain' || operationId === 'undrain') {
          for (const turned of ['unchanged', 'unknown', 'kept_out', 'changed'] as const) {
            told.turned = turned;
            await answer([path, ask]);
          }
        }
        if (operationId.startsWith('resetBreaker')) {
          for (const reset of [
            'off',
            [],
            ...(operationId === 'resetBreaker' ? (['unknown'] as const) : []),
          ]) {
            told.reset = reset as typeof told.reset;
            await answer([path, ask]);
          }
          told.reset = ['a'];
        }
      },
      // More than 16 MiB are for another test.
      unseen: (operationId) => (operationId === 'plan' ? ['413'] : []),
    });
    await expect(checked).resolves.toBeUndefined();
  });

  it('says of every operation which role may', async () => {
    const { ask } = await anAdminApi();
    const document = (await ask('/admin/v1/openapi.json')).json as Document;
    const roles = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map((operation) => [operation.operationId, operation['x-role']] as const),
    );
    const READS = ['backends', 'configuration', 'connections', 'eligibleSet', 'explain', 'logLevel'];
    expect(roles.flatMap(([id, role]) => (role === 'read' ? [id] : [])).toSorted()).toEqual(READS);
    expect(new Set(roles.map(([, role]) => role))).toEqual(new Set(['read', 'admin']));
  });
});

describe('a role, at the admin API,', () => {
  it.each(['nobody', 'read', 'register', 'admin'])(
    '%s may do what it may, and nothing else',
    async (role) => {
      const { ask, operations, logs } = await anAdminApi({ tokens: TOKENS });
      for (const [operationId, [first]] of Object.entries(requestsAs(role))) {
        const [path, asked] = first!;
        const { access } = operations.find((one) => one.operationId === operationId)!;
        const may = role === 'admin' || (role !== 'nobody' && access === 'read');
        const { status } = await ask(path, asked);
        expect([operationId, status]).toEqual([operationId, may ? 200 : role === 'nobody' ? 401 : 403]);
      }
      const changed = logs.filter(([, message]) => message === 'changed by an operator');
      expect(changed.length > 0).toBe(role === 'admin');
    },
  );
});

describe('the admin API', () => {
  it('writes a line for every change, with who made it, and for no other request', async () => {
    const { ask, told, logs } = await anAdminApi({ tokens: TOKENS });
    const headers = authorized('admin');
    const post = (path: string) => ask(path, { method: 'POST', headers });
    await post(PATHS.drain);
    await post(PATHS.undrain);
    await post(PATHS.resetBreaker);
    told.reset = ['a', 'b'];
    await post(PATHS.resetBreakers);
    await ask(PATHS.level, { method: 'PUT', headers, body: { level: 'error' } });
    await ask(PATHS.level, { method: 'DELETE', headers });
    told.turned = 'unchanged';
    await post(PATHS.drain);
    told.reset = [];
    await post(PATHS.resetBreakers);
    await ask(PATHS.backends, { headers });
    const by = { address: '127.0.0.1', role: 'admin' };
    expect(logs).toEqual(
      [
        { change: 'drained', backend: 'a', scope: 'daemon' },
        { change: 'undrained', backend: 'a', scope: 'daemon' },
        { change: 'circuit reset', backend: 'a' },
        { change: 'circuit reset', backend: 'a' },
        { change: 'circuit reset', backend: 'b' },
        { change: 'log level', from: 'info', to: 'error' },
        { change: 'log level', from: 'error', to: 'info' },
      ].map((line) => ['info', 'changed by an operator', { ...line, ...by }]),
    );
  });

  it('names what is wrong with a question', async () => {
    const { ask } = await anAdminApi();
    const whole = 'the body: expected a JSON object of the fields client, app and limit';
    const cases: readonly (readonly [string, ApiAsk, string])[] = [
      [PATHS.explain, { body: { client: 'name' } }, 'client = "name": expected an IPv4 or IPv6 address'],
      [PATHS.explain, { body: { client: '::1', limit: 0 } }, 'limit = 0: '],
      [PATHS.explain, { body: { client: '::1', port: 1 } }, '"port": no such field'],
      [PATHS.explain, { body: '[]' }, whole],
      [
        PATHS.level,
        { method: 'PUT', body: { level: 'loud' } },
        'level = "loud": expected one of error, warn, info, debug',
      ],
      [PATHS.drain, { body: { isDrained: false } }, 'the body: expected none'],
      [PATHS.undrain, { body: 'x'.repeat(65_537) }, 'the body: expected none'],
      [`${PATHS.connections}?after=zzz`, {}, 'after = "zzz": expected the `next` of a page before'],
      [`${PATHS.backends}?after=web-1`, {}, 'after = "web-1": expected the `next` of a page before'],
      [`${PATHS.eligibleSet}?after=web-1`, {}, 'after = "web-1": expected the `next` of a page before'],
      [`${PATHS.backends}?limit=1&limit=2`, {}, 'limit: expected once, not 2 times'],
      [`${PATHS.backends}?limit=many`, {}, 'limit = "many": expected a whole number from 1 to 1000'],
      [`${PATHS.connections}?client=x`, {}, 'client = "x": expected an IPv4 or IPv6 address'],
      [`${PATHS.connections}?backends=x`, {}, '"backends": no such field'],
    ];
    for (const [path, asked, error] of cases) {
      const answer = await ask(path, asked);
      expect([answer.status, answer.json]).toEqual([
        400,
        { error: expect.stringContaining(error) as string },
      ]);
    }
  });

  it.each([
    ['connections', ['0:', '1:17', '0:3.65535']],
    ['backends', ['web-1@127.0.0.1:80', 'a b@[::1]:65535']],
    ['eligibleSet', ['a@b@127.0.0.1:80']],
  ] as const)('goes on behind what a page of %s has given', async (operation, cursors) => {
    const { ask } = await anAdminApi();
    const answers = await Promise.all(
      cursors.map((after) => ask(`${PATHS[operation]}?after=${encodeURIComponent(after)}`)),
    );
    expect(answers.map(({ status }) => status)).toEqual(cursors.map(() => 200));
  });

  it('answers an id of any kind', async () => {
    const { ask, told } = await anAdminApi();
    told.turned = 'unknown';
    for (const id of ['none', 'a%2Fb', '%00', '%ff', 'x'.repeat(3_000), '..%2f..%2f', '%C3%A4']) {
      const { status } = await ask(`/admin/v1/backends/${id}/drain`, { method: 'POST' });
      expect([id, status]).toEqual([id, 404]);
    }
  });
});
