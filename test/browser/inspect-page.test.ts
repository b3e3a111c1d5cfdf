import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { AnyActorRef } from 'xstate';
import { actorsOf, anInspection, choose, idsOf, inBrowser, isLive, shows } from '../support/inspect-page.ts';
import { OPEN_MS } from '../support/inspection.ts';
import { once } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const TOKEN = 'a-token-of-the-tests-0123456789';

/** A page that behaves as the Stately inspector does: says that it is there, and records what it is told. */
const STAND_IN = `<!doctype html><title>stand-in</title><script>
  window.received = [];
  addEventListener('message', ({ origin, data }) => window.received.push({ origin, data }));
  if (location.search !== '?mute') parent.postMessage({ type: '@statelyai.connected' }, '*');
</script>`;

async function startStandIn(): Promise<URL> {
  const server = createServer((_request, response) =>
    response.setHeader('content-type', 'text/html').end(STAND_IN),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/inspect`);
}

const openPage = inBrowser();

describe('the page of live statecharts', () => {
  it('lists the actors with their present states, and lights the chosen one as it goes on', async () => {
    const inspection = await anInspection();
    inspection.trip(1);
    const { page, requests, complaints } = await openPage(inspection.url);
    await isLive(page);
    await until(async () => (await actorsOf(page)).length === 4, { what: 'the actors' });
    expect(await actorsOf(page)).toEqual([
      ['breaker:b1', 'closed'],
      ['breaker:b2', 'open'],
      ['breaker:b3', 'closed'],
      ['lifecycle', 'running'],
    ]);
    await choose(page, 'breaker:b2');
    await shows(page, ['open']);
    expect(await idsOf(page, '.state')).toEqual(['closed', 'open', 'halfOpen']);
    inspection.clock.increment(OPEN_MS);
    await shows(page, ['halfOpen']);
    expect(await page.locator('#actor-state').textContent()).toBe('halfOpen');
    expect(await page.locator('#chart .taken text').first().textContent()).toBe('after openLeft');
    expect(await page.locator('#chart .taken').count()).toBe(1);
    expect(await page.locator('#events li').first().textContent()).toMatch(
      /\d\d:\d\d:\d\d\.\d{3}breaker:b2after openLeft→ halfOpen/,
    );
    expect(await page.locator('#announcer').textContent()).toBe('breaker:b2 is halfOpen');
    expect(complaints).toEqual([]);
    expect(requests.filter((url) => new URL(url).hostname !== '127.0.0.1')).toEqual([]);
  });

  it('shows the context without its functions, and follows it', async () => {
    const inspection = await anInspection();
    const { page } = await openPage(`${inspection.url}#pattern=b1`);
    await until(async () => (await page.locator('#context').textContent())?.includes('"failures": 0'), {
      what: 'the context',
    });
    inspection.breakers[0]!.send({ type: 'CONNECTION_FAILED', epoch: 1 });
    await until(async () => (await page.locator('#context').textContent())?.includes('"failures": 1'), {
      what: 'the failure',
    });
    expect(await page.locator('#context').textContent()).not.toContain('now');
  });

  it('narrows by the filter, says what was left out, and follows actors that come and go', async () => {
    const inspection = await anInspection({ backends: 30, maxActors: 10 });
    const { page } = await openPage(inspection.url);
    await isLive(page);
    await page.getByText('10 of 31 actors; 21 left out').waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('lifecycle, b3*');
    await page.getByText('1 actor', { exact: true }).waitFor();
    await page.locator('#filter').fill('breaker:b3*');
    await page.getByText('2 actors', { exact: true }).waitFor();
    expect(new URL(page.url()).hash).toBe('#pattern=breaker%3Ab3*');
    inspection.actors.delete('breaker:b30');
    await page.getByText('1 actor', { exact: true }).waitFor();
    expect(await actorsOf(page)).toEqual([['breaker:b3', 'closed']]);
  });

  it('is used by keys alone', async () => {
    const inspection = await anInspection();
    const { page } = await openPage(inspection.url);
    await isLive(page);
    await page.locator('#actors').focus();
    await page.keyboard.press('ArrowDown');
    await until(async () => (await page.locator('#actor-name').textContent()) === 'breaker:b2', {
      what: 'b2',
    });
    await page.keyboard.press('End');
    await until(async () => (await page.locator('#actor-name').textContent()) === 'lifecycle', {
      what: 'lifecycle',
    });
    await shows(page, ['running']);
    const chosen = await page.locator('#actors').getAttribute('aria-activedescendant');
    expect(await page.locator(`#${chosen}`).getAttribute('aria-selected')).toBe('true');
  });

  it('shows names as text, whatever is in them', async () => {
    const inspection = await anInspection();
    const name = 'breaker:<img src=x onerror=alert(1)>';
    inspection.actors.set(name, inspection.breakers[0] as AnyActorRef);
    const { page, complaints } = await openPage(inspection.url);
    await choose(page, '<img');
    expect(await page.locator('#actor-name').textContent()).toBe(name);
    expect(await page.locator('img').count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  it('says that the connection is lost, tries again, and then shows the present', async () => {
    const inspection = await anInspection();
    const { page } = await openPage(inspection.url);
    await isLive(page);
    await choose(page, 'breaker:b1');
    await inspection.closeServer();
    await page.getByText(/Connection lost\. Trying again in \d+ s/).waitFor();
    await page.getByText('What you see is what was known last').waitFor();
    inspection.trip(0);
    await inspection.restartServer();
    await isLive(page);
    await shows(page, ['open']);
    expect(await page.locator('#notice').isVisible()).toBe(false);
    expect(await page.locator('#actor-name').textContent()).toBe('breaker:b1');
  });
});

describe('the page on a listener with a token', () => {
  it('asks for it, and uses it', async () => {
    const inspection = await anInspection({ token: TOKEN });
    const { page, requests } = await openPage(inspection.url);
    await page.getByLabel('This listener asks for its admin token').fill('wrong');
    await page.getByRole('button', { name: 'Connect' }).click();
    await page.getByLabel('This listener asks for its admin token').fill(TOKEN);
    await page.getByRole('button', { name: 'Connect' }).click();
    await isLive(page);
    expect(await page.locator('#token-form').isVisible()).toBe(false);
    expect(requests.join()).not.toContain(TOKEN);
  });

  it('takes it from the fragment of the address, and leaves it in no address', async () => {
    const inspection = await anInspection({ token: TOKEN });
    const { page, requests } = await openPage(`${inspection.url}#token=${TOKEN}&pattern=lifecycle`);
    await isLive(page);
    await page.getByText('1 actor', { exact: true }).waitFor();
    expect(page.url()).toBe(`${inspection.url}#pattern=lifecycle`);
    expect(requests.join()).not.toContain(TOKEN);
    await page.reload();
    await isLive(page);
  });
});

interface Received {
  readonly origin: string;
  readonly data: { readonly type: string; readonly [field: string]: unknown };
}

describe('the Stately inspector in the page', () => {
  const receivedBy = (page: Page, url: URL): Promise<readonly Received[]> =>
    page
      .frames()
      .find((frame) => frame.url() === url.href)
      ?.evaluate(() => Reflect.get(globalThis, 'received') as readonly Received[]) ?? Promise.resolve([]);

  it('is loaded only when it is asked for, gets the present state first, and then what happens', async () => {
    const standIn = await startStandIn();
    const inspection = await anInspection({ inspectorUrl: standIn });
    inspection.trip(1);
    const { page, requests, complaints } = await openPage(inspection.url);
    await isLive(page);
    await until(async () => (await actorsOf(page)).length === 4, { what: 'the actors' });
    expect(requests.some((url) => url.startsWith(standIn.origin))).toBe(false);
    await page.getByRole('tab', { name: 'Stately inspector' }).click();
    await until(async () => (await receivedBy(page, standIn)).length === 4, {
      what: 'the actors at the inspector',
    });
    const actors = await receivedBy(page, standIn);
    expect(new Set(actors.map(({ origin }) => origin))).toEqual(new Set([new URL(inspection.url).origin]));
    const open = actors.find(({ data }) => data['name'] === 'breaker:b2')!.data;
    expect(open).toMatchObject({ type: '@xstate.actor', _version: '0.7.2', snapshot: { value: 'open' } });
    expect(JSON.parse(String(open['definition']))).toMatchObject({ id: 'circuitBreaker', initial: 'closed' });
    inspection.clock.increment(OPEN_MS);
    await until(async () => (await receivedBy(page, standIn)).length >= 6, { what: 'the transition' });
    expect((await receivedBy(page, standIn)).slice(4).map(({ data }) => data)).toMatchObject([
      { type: '@xstate.event', sessionId: open['sessionId'] },
      { type: '@xstate.snapshot', sessionId: open['sessionId'], snapshot: { value: 'halfOpen' } },
    ]);
    expect(complaints).toEqual([]);
    expect(requests.filter((url) => new URL(url).hostname !== '127.0.0.1')).toEqual([]);
  });

  it('is told nothing before it asks, nor when somebody else asks in its name', async () => {
    const standIn = await startStandIn();
    const mute = new URL('?mute', standIn);
    const inspection = await anInspection({ inspectorUrl: mute });
    const { page } = await openPage(inspection.url);
    await isLive(page);
    await page.getByRole('tab', { name: 'Stately inspector' }).click();
    await until(() => page.frames().some((frame) => frame.url() === mute.href), { what: 'the frame' });
    await page.evaluate("postMessage({ type: '@statelyai.connected' }, '*')");
    inspection.trip(0);
    await until(async () => (await actorsOf(page))[0]?.[1] === 'open', {
      what: 'the transition in the list',
    });
    expect(await receivedBy(page, mute)).toEqual([]);
  });

  it('is said to be out of reach when it does not answer, and the chart goes on without it', async () => {
    const inspection = await anInspection({ inspectorUrl: new URL('http://127.0.0.1:9/inspect') });
    const { page } = await openPage('about:blank');
    await page.clock.install();
    await page.goto(inspection.url);
    await page.clock.runFor(100);
    await isLive(page);
    await page.getByRole('tab', { name: 'Stately inspector' }).click();
    await page.getByText('Loading http://127.0.0.1:9/inspect').waitFor();
    await page.clock.runFor(10_000);
    await page.getByText('http://127.0.0.1:9/inspect does not answer').waitFor();
    await page.keyboard.press('ArrowLeft');
    // The clock of the page stands, and with it its frames.
    const isDrawn = async (): Promise<boolean> => {
      await page.clock.runFor(100);
      return page.locator('#chart').isVisible();
    };
    await until(isDrawn, { what: 'the chart' });
    await expect(idsOf(page, '.state.active')).resolves.toEqual(['closed']);
  });

  it('is no part of the page when there is none', async () => {
    const inspection = await anInspection();
    const { page } = await openPage(inspection.url);
    await isLive(page);
    expect(await page.getByRole('tab', { name: 'Stately inspector' }).isVisible()).toBe(false);
  });
});
