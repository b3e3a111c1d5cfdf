import { request } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startAdminServer } from '../../../src/adapters/http/admin-server.ts';
import type { ChartDrawing } from '../../../src/adapters/inspect/machine-catalog.ts';
import type { InspectionMessage } from '../../../src/adapters/inspect/messages.ts';
import { type InspectionOptions, OPEN_MS, startInspection } from '../../support/inspection.ts';
import { look } from '../../support/looker.ts';
import { silentLogger } from '../../support/proxy.ts';
import { readAll, tcpConnect } from '../../support/sockets.ts';
import { until } from '../../support/until.ts';

const TOKEN = 'a-token-of-the-tests-0123456789';

async function anInspection(options: InspectionOptions = {}) {
  const inspection = await startInspection(options);
  onTestFinished(() => inspection.close());
  const { port } = inspection.address;
  /** One GET with these headers, to the end of its body. */
  const get = (path: string, headers: Readonly<Record<string, string>> = {}) =>
    new Promise<{ status: number; body: string; headers: NodeJS.Dict<string | string[]> }>(
      (resolve, reject) => {
        const ask = request(
          { host: inspection.address.host, port, path, headers, agent: false },
          (response) => {
            let body = '';
            response.setEncoding('utf8').on('data', (text: string) => (body += text));
            response.once('end', () =>
              resolve({ status: response.statusCode ?? 0, body, headers: response.headers }),
            );
          },
        );
        ask.once('error', reject).end();
      },
    );
  return { ...inspection, port, get };
}

const isOf = (type: InspectionMessage['type']) => (message: InspectionMessage) => message.type === type;

describe('the admin listener asked under a name', () => {
  it.each([
    ['127.0.0.1:PORT', 200],
    ['localhost:PORT', 200],
    ['LOCALHOST:PORT', 200],
    ['127.0.0.1', 403],
    ['127.0.0.1:1', 403],
    ['127.0.0.2:PORT', 403],
    ['[::1]:PORT', 403],
    ['evil.example:PORT', 403],
    ['127.0.0.1.evil.example:PORT', 403],
    ['localhost.:PORT', 403],
    ['user@127.0.0.1:PORT', 400],
    ['admin.internal', 200],
    ['admin.internal:9999', 200],
    ['edge.internal:8443', 200],
    ['edge.internal', 403],
  ])('%s answers %i', async (host, status) => {
    const { get, port } = await anInspection({ hosts: ['admin.internal', 'edge.internal:8443'] });
    const answer = await get('/inspect', { host: host.replace('PORT', String(port)) });
    expect(answer.status).toBe(status);
    if (status !== 200) expect(answer.body).not.toContain('<');
  });

  it('that is missing answers an error', async () => {
    const { port } = await anInspection();
    const socket = await tcpConnect(port);
    socket.write('GET /inspect HTTP/1.0\r\n\r\n');
    expect(String(await readAll(socket))).toMatch(/^HTTP\/1\.1 40[03] /);
  });

  it('of its IPv6 address serves that one', async () => {
    const { get, port } = await anInspection({ address: { host: '::1', port: 0 } });
    expect((await get('/inspect', { host: `[::1]:${port}` })).status).toBe(200);
    expect((await get('/inspect', { host: `localhost:${port}` })).status).toBe(200);
    expect((await get('/inspect', { host: `127.0.0.1:${port}` })).status).toBe(403);
  });
});

describe('the admin listener asked by a browser', () => {
  it.each([
    ['same-origin', 200],
    ['none', 200],
    ['same-site', 403],
    ['cross-site', 403],
    ['anything', 403],
  ])('for a %s request answers %i', async (site, status) => {
    const { get } = await anInspection();
    for (const path of ['/inspect', '/inspect/actors']) {
      expect((await get(path, { 'sec-fetch-site': site })).status).toBe(status);
    }
  });

  it('serves its own origin only, and lets no other read', async () => {
    const { get, port } = await anInspection();
    const own = await get('/inspect/actors', { origin: `http://127.0.0.1:${port}` });
    expect(own.status).toBe(200);
    expect(Object.keys(own.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    for (const origin of ['http://evil.example', 'null', `http://127.0.0.1:${port + 1}`]) {
      expect((await get('/inspect/actors', { origin })).status).toBe(403);
    }
  });

  it('tells it to keep, guess, frame and pass on nothing', async () => {
    const { get } = await anInspection({ inspectorUrl: new URL('https://inspector.example/inspect?x=1') });
    for (const path of ['/inspect', '/inspect/page.js', '/inspect/actors', '/nothing']) {
      const { headers } = await get(path);
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
      });
      expect(headers['content-security-policy']).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
    }
    const { headers, body } = await get('/inspect');
    expect(headers['content-security-policy']).toContain('frame-src https://inspector.example;');
    expect(headers['content-security-policy']).not.toContain('unsafe');
    expect(body).toContain('content="https://inspector.example/inspect?x=1"');
  });

  it('serves every file that the page names', async () => {
    const { get } = await anInspection();
    const seen = new Set<string>();
    const visit = async (path: string): Promise<void> => {
      if (seen.has(path)) return;
      seen.add(path);
      const { status, body } = await get(path);
      expect([path, status]).toEqual([path, 200]);
      const links = [...body.matchAll(/(?:href|src)="(\/[^"]+)"|from '\.(\/[\w-]+\.js)'/g)];
      await Promise.all(links.map(([, absolute, relative]) => visit(absolute ?? `/inspect${relative}`)));
    };
    await visit('/inspect');
    expect(seen.size).toBeGreaterThan(8);
  });
});

describe('the token of the admin listener', () => {
  it.each([
    [undefined, 401],
    [`Bearer ${TOKEN}`, 200],
    [`bearer ${TOKEN}`, 200],
    [`Bearer ${TOKEN}x`, 401],
    [`Bearer ${TOKEN.slice(0, -1)}`, 401],
    [TOKEN, 401],
    ['Bearer ', 401],
    [`Basic ${TOKEN}`, 401],
  ])('%s answers %i', async (authorization, status) => {
    const { get } = await anInspection({ token: TOKEN });
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    for (const path of ['/inspect/actors', '/inspect/actors?token=x']) {
      const answer = await get(path, headers);
      expect(answer.status).toBe(status);
      if (status === 401) expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
    }
    if (status === 401) expect((await get('/inspect/events', headers)).status).toBe(401);
  });

  it('is not taken from the query, and the page itself needs none and holds none', async () => {
    const { get } = await anInspection({ token: TOKEN });
    expect((await get(`/inspect/actors?token=${TOKEN}`)).status).toBe(401);
    const page = await get('/inspect');
    expect(page.status).toBe(200);
    expect(page.body).not.toContain(TOKEN);
  });

  it.each(['0.0.0.0', '::', '192.0.2.1', '10.0.0.1'])('is required on %s', async (host) => {
    const starting = startAdminServer({
      address: { host, port: 0 },
      addressSetting: 'EDGEPROXY_ADMIN_LISTEN_ADDR',
      auth: { token: undefined },
      routes: [],
      logger: silentLogger,
    });
    await expect(starting).rejects.toMatchObject({
      code: 'ERR_SETTINGS_INVALID',
      message: expect.stringContaining('EDGEPROXY_ADMIN_LISTEN_ADDR'),
    });
  });

  it('opens a listener on every address under the address that is asked', async () => {
    const { port } = await anInspection({ token: TOKEN, address: { host: '0.0.0.0', port: 0 } });
    const answer = await fetch(`http://127.0.0.1:${port}/inspect/actors`, {
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    expect(answer.status).toBe(200);
  });
});

describe('the admin listener', () => {
  it('names a port that is taken, with the setting', async () => {
    const { address } = await anInspection();
    await expect(
      startAdminServer({
        address,
        addressSetting: 'EDGEPROXY_ADMIN_LISTEN_ADDR',
        auth: { token: undefined },
        routes: [],
        logger: silentLogger,
      }),
    ).rejects.toMatchObject({ code: 'ERR_LISTEN', message: /EDGEPROXY_ADMIN_LISTEN_ADDR/ });
  });

  it('answers what it does not know, and what fails, without a detail', async () => {
    const server = await startAdminServer({
      address: { host: '127.0.0.1', port: 0 },
      addressSetting: 'EDGEPROXY_ADMIN_LISTEN_ADDR',
      auth: { token: undefined },
      routes: [
        {
          method: 'GET',
          path: '/fails',
          access: 'token',
          handle: () => Promise.reject(new Error('hunter2')),
        },
      ],
      logger: silentLogger,
    });
    onTestFinished(() => server.close());
    const answers = await Promise.all(
      ['/fails', '/none'].map(async (path) => {
        const answer = await fetch(`http://127.0.0.1:${server.address.port}${path}`);
        return [answer.status, await answer.text()];
      }),
    );
    expect(answers).toEqual([
      [500, 'internal error\n'],
      [404, 'nothing is served here\n'],
    ]);
  });
});

describe('a stream of what happens', () => {
  it('shows the present state to whoever comes late, and then what happens', async () => {
    const inspection = await anInspection();
    inspection.trip(1);
    const looker = await look(inspection.url, 'breaker:*');
    await until(() => looker.messages().some(isOf('edgeproxy.live')), { what: 'the present state' });
    const states = looker
      .messages()
      .flatMap((message) => (message.type === '@xstate.actor' ? [[message.name, message.snapshot]] : []));
    expect(states).toMatchObject([
      ['breaker:b1', { value: 'closed' }],
      ['breaker:b2', { value: 'open' }],
      ['breaker:b3', { value: 'closed' }],
    ]);
    inspection.clock.increment(OPEN_MS);
    const isHalfOpen = (message: InspectionMessage) =>
      message.type === '@xstate.snapshot' && JSON.stringify(message.snapshot).includes('"halfOpen"');
    await until(() => looker.messages().some(isHalfOpen), { what: 'the transition' });
    expect(looker.response.headers.get('content-type')).toBe('text/event-stream');
  });

  it('beats while nothing happens', async () => {
    const inspection = await anInspection({ beatMs: 10 });
    const looker = await look(inspection.url, 'nobody');
    await until(() => looker.text().includes(': beat\n\n'.repeat(3)), { what: 'three beats' });
    inspection.trip(0);
    const second = await look(inspection.url);
    await until(() => second.text().includes(': beat\n\n'), { what: 'a beat' });
    inspection.clock.increment(OPEN_MS);
    await until(() => second.messages().some(isOf('@xstate.snapshot')), {
      what: 'what happens after a beat',
    });
    expect(looker.messages().map(({ type }) => type)).toEqual(['edgeproxy.scope', 'edgeproxy.live']);
  });

  it('is refused when as many look as may, until one leaves', async () => {
    const inspection = await anInspection({ maxStreams: 1 });
    const first = await look(inspection.url);
    const second = await look(inspection.url);
    expect(second.response.status).toBe(503);
    first.leave();
    await until(async () => (await look(inspection.url)).response.status === 200, { what: 'a free place' });
  });

  it('ends when the listener closes', async () => {
    const inspection = await anInspection();
    const looker = await look(inspection.url);
    await inspection.closeServer();
    await expect(looker.ended).resolves.toBeUndefined();
  });

  it('refuses a pattern that is none', async () => {
    const { get } = await anInspection();
    expect((await get(`/inspect/events?pattern=${'x'.repeat(201)}`)).status).toBe(400);
    expect((await get(`/inspect/actors?pattern=${'x'.repeat(201)}`)).status).toBe(400);
  });

  it('names the actors that match', async () => {
    const { get } = await anInspection();
    const { body } = await get('/inspect/actors?pattern=breaker:*');
    expect(JSON.parse(body)).toEqual({ names: ['breaker:b1', 'breaker:b2', 'breaker:b3'], leftOut: 0 });
  });
});

describe('a chart', () => {
  it('of every machine that a stream names is drawn, with the states and transitions that the page lights', async () => {
    const { get, url } = await anInspection();
    const looker = await look(url);
    await until(() => looker.messages().some(isOf('edgeproxy.live')), { what: 'the present state' });
    const charts = looker
      .messages()
      .flatMap((message) => (message.type === 'edgeproxy.actor' ? [message.chartId] : []));
    expect(charts).toEqual(['lifecycle-1', ...Array.from({ length: 3 }, () => 'circuitBreaker-2')]);
    const { status, body } = await get('/inspect/charts/circuitBreaker-2');
    const { svg, transitions } = JSON.parse(body) as ChartDrawing;
    expect(status).toBe(200);
    for (const state of ['closed', 'open', 'halfOpen']) expect(svg).toContain(`id="state&#45;${state}"`);
    expect(svg.match(/id="transition&#45;\d+"/g)).toHaveLength(transitions.length);
    expect(transitions).toContainEqual({
      from: 'open',
      to: 'halfOpen',
      event: 'xstate.after.openLeft.circuitBreaker.open',
    });
  });

  it('that no stream named is not there, and none is without the token', async () => {
    const { get } = await anInspection({ token: TOKEN });
    const headers = { authorization: `Bearer ${TOKEN}` };
    expect((await get('/inspect/charts/lifecycle-1', headers)).status).toBe(404);
    expect((await get('/inspect/charts/lifecycle-1')).status).toBe(401);
  });
});
