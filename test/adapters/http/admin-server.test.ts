import { Server } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { startGuardedServer } from '../../../src/adapters/http/guarded-server.ts';
import type { ChartDrawing } from '../../../src/domain/chart-drawing.ts';
import type { InspectionMessage } from '../../../src/adapters/inspect/messages.ts';
import { anInspection } from '../../support/an-inspection.ts';
import { OPEN_MS } from '../../support/inspection.ts';
import { look } from '../../support/looker.ts';
import { silentLogger } from '../../support/proxy.ts';
import { until } from '../../support/until.ts';

const TOKEN = 'a-token-of-the-tests-0123456789';

const NO_HOSTS = { names: [], advice: 'EDGEPROXY_ADMIN_HOSTS adds others' };

const isOf = (type: InspectionMessage['type']) => (message: InspectionMessage) => message.type === type;

describe('the admin listener', () => {
  it('names a port that is taken, with the setting', async () => {
    const { address } = await anInspection();
    await expect(
      startGuardedServer({
        address,
        addressSetting: 'EDGEPROXY_ADMIN_LISTEN_ADDR',
        name: 'admin',
        tokens: [],
        hosts: NO_HOSTS,
        now: () => performance.now(),
        routes: [],
        logger: silentLogger,
      }),
    ).rejects.toMatchObject({
      code: 'ERR_LISTEN',
      message: expect.stringMatching(/^EDGEPROXY_ADMIN_LISTEN_ADDR: cannot listen/),
    });
  });

  it('logs every error that its socket reports while it listens', async () => {
    const listen = vi.spyOn(Server.prototype, 'listen');
    onTestFinished(() => listen.mockRestore());
    const { logs } = await anInspection();
    const [server] = listen.mock.contexts;
    for (const problem of ['one', 'two']) (server as Server).emit('error', new Error(problem));
    expect(logs).toEqual(
      ['one', 'two'].map((error) => ['error', 'admin listener reported an error', { error }]),
    );
  });

  it('answers what it does not know, and what fails, without a detail', async () => {
    const server = await startGuardedServer({
      address: { host: '127.0.0.1', port: 0 },
      addressSetting: 'EDGEPROXY_ADMIN_LISTEN_ADDR',
      name: 'admin',
      tokens: [],
      hosts: NO_HOSTS,
      now: () => performance.now(),
      routes: [
        {
          method: 'GET',
          path: '/fails',
          access: 'admin',
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
