import { describe, expect, it } from 'vitest';
import { startGuardedServer } from '../../../src/adapters/http/guarded-server.ts';
import { anInspection } from '../../support/an-inspection.ts';
import { silentLogger } from '../../support/proxy.ts';
import { readAll, tcpConnect } from '../../support/sockets.ts';

const TOKEN = 'a-token-of-the-tests-0123456789';

const NO_HOSTS = { names: [], advice: 'EDGEPROXY_ADMIN_HOSTS adds others' };

describe('the admin listener asked under a name', () => {
  it.each([
    ['127.0.0.1:PORT', 200],
    ['localhost:PORT', 200],
    ['LOCALHOST:PORT', 200],
    ['127.0.0.1', 200],
    ['127.0.0.1:1', 200],
    ['localhost:8082', 200],
    ['127.0.0.2:PORT', 200],
    ['[::1]:8082', 200],
    ['192.0.2.1:PORT', 403],
    ['[2001:db8::1]:PORT', 403],
    ['localhost.evil.example', 403],
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

  it('that is not served names those that are, and the setting, and is logged once a second at most', async () => {
    const { get, logs } = await anInspection({ hosts: ['admin.internal'] });
    const answers = [];
    for (let time = 0; time < 3; time += 1) answers.push(await get('/inspect', { host: 'evil.example' }));
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403]);
    expect(answers[0]!.body).toBe(
      'this host name is not served here, only localhost and loopback addresses, admin.internal; ' +
        'EDGEPROXY_ADMIN_HOSTS adds others\n',
    );
    const line = { address: '127.0.0.1', host: 'evil.example', times: 1 };
    expect(logs).toEqual([['warn', 'admin request refused', expect.objectContaining(line)]]);
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
    expect((await get('/inspect', { host: `[2001:db8::1]:${port}` })).status).toBe(403);
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

  it.each([
    ['cross-site', 'navigate', 'document', 200],
    ['same-site', 'navigate', 'document', 200],
    ['cross-site', 'navigate', 'iframe', 403],
    ['cross-site', 'no-cors', 'script', 403],
    ['cross-site', 'cors', 'document', 403],
  ])('shows the page to who followed a link (%s, %s, %s answers %i), and nothing else', async (...asked) => {
    const [site, mode, dest, status] = asked;
    const { get } = await anInspection();
    const headers = { 'sec-fetch-site': site, 'sec-fetch-mode': mode, 'sec-fetch-dest': dest };
    expect((await get('/inspect', headers)).status).toBe(status);
    expect((await get('/inspect/actors', headers)).status).toBe(403);
  });

  it.each(['/', '/inspect/'])('is led from %s to the page', async (path) => {
    const { get } = await anInspection({ token: TOKEN });
    const { status, headers } = await get(path);
    expect([status, headers['location']]).toEqual([302, '/inspect']);
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
  const NONE = ['send the admin token as Authorization: Bearer TOKEN\n', 'Bearer realm="edgeproxy admin"'];
  const WRONG = [
    'this token is not known, send the admin token\n',
    'Bearer realm="edgeproxy admin", error="invalid_token"',
  ];

  it.each([`Bearer ${TOKEN}`, `bearer ${TOKEN}`])('%s lets in', async (authorization) => {
    const { get } = await anInspection({ token: TOKEN });
    expect((await get('/inspect/actors', { authorization })).status).toBe(200);
  });

  it.each([
    [undefined, NONE],
    [TOKEN, NONE],
    ['Bearer ', NONE],
    [`Basic ${TOKEN}`, NONE],
    [`Bearer ${TOKEN}x`, WRONG],
    [`Bearer ${TOKEN.slice(0, -1)}`, WRONG],
  ])('%s does not, and is told what is wrong', async (authorization, told) => {
    const { get } = await anInspection({ token: TOKEN });
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization };
    for (const path of ['/inspect/actors', '/inspect/actors?token=x', '/inspect/events']) {
      const answer = await get(path, headers);
      expect([answer.status, answer.body, answer.headers['www-authenticate']]).toEqual([401, ...told]);
    }
  });

  it('that is missing or wrong is logged with the address, never with the token, once a second at most', async () => {
    const { get, logs } = await anInspection({ token: TOKEN });
    for (const wrong of [`${TOKEN}x`, `x${TOKEN}`, `${TOKEN}y`]) {
      await get('/inspect/actors', { authorization: `Bearer ${wrong}` });
    }
    const line = { address: '127.0.0.1', reason: 'wrong token', times: 1 };
    expect(logs).toEqual([['warn', 'admin request without the token', line]]);
    expect(JSON.stringify(logs)).not.toContain(TOKEN);
  });

  it('is not taken from the query, and the page itself needs none and holds none', async () => {
    const { get } = await anInspection({ token: TOKEN });
    expect((await get(`/inspect/actors?token=${TOKEN}`)).status).toBe(401);
    const page = await get('/inspect');
    expect(page.status).toBe(200);
    expect(page.body).not.toContain(TOKEN);
  });

  it.each(['0.0.0.0', '::', '192.0.2.1', '10.0.0.1'])('is required on %s', async (host) => {
    const starting = startGuardedServer({
      address: { host, port: 0 },
      addressSetting: 'EDGEPROXY_ADMIN_LISTEN_ADDR',
      name: 'admin',
      tokens: [],
      hosts: NO_HOSTS,
      now: () => performance.now(),
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
