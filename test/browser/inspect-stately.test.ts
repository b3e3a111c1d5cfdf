import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import {
  actorsOf,
  anInspection,
  idsOf,
  inBrowser,
  isLive,
  receivedBy,
  startStandIn,
} from '../support/inspect-page.ts';
import { OPEN_MS } from '../support/inspection.ts';
import { until } from '../support/until.ts';

const openPage = inBrowser();

const chooseTab = (page: Page): Promise<void> => page.getByRole('tab', { name: 'Stately inspector' }).click();

/** Chooses the tab, and says that the inspector may be loaded. */
async function load(page: Page, url: URL): Promise<void> {
  await chooseTab(page);
  await page.getByRole('button', { name: `Load ${url.host}` }).click();
}

const hasFrameOf = (page: Page, url: URL): boolean => page.frames().some((frame) => frame.url() === url.href);

const isFrameVisible = (page: Page): Promise<boolean> => page.locator('iframe').isVisible();

const timesAsked = (requests: readonly string[], url: URL): number =>
  requests.filter((asked) => asked === url.href).length;

describe('the Stately inspector in the page', () => {
  it('is loaded only when it is asked for, gets the present state first, and then what happens', async () => {
    const standIn = await startStandIn();
    const inspection = await anInspection({ inspectorUrl: standIn });
    inspection.trip(1);
    const { page, requests, complaints } = await openPage(inspection.url);
    await isLive(page);
    await until(async () => (await actorsOf(page)).length === 4, { what: 'the actors' });
    expect(timesAsked(requests, standIn)).toBe(0);
    await load(page, standIn);
    await until(async () => (await receivedBy(page, standIn)).length === 4, {
      what: 'the actors at the inspector',
    });
    expect(await isFrameVisible(page)).toBe(true);
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

  it('is not loaded by going past its tab, which says what would be sent', async () => {
    const standIn = await startStandIn();
    const inspection = await anInspection({ inspectorUrl: standIn });
    const { page, requests } = await openPage(inspection.url);
    await isLive(page);
    await page.getByRole('tab', { name: 'Chart' }).focus();
    await page.keyboard.press('ArrowRight');
    const tab = page.getByRole('tab', { name: 'Stately inspector' });
    expect(await tab.getAttribute('aria-selected')).toBe('true');
    await page
      .getByText(/hands the machines, states, events and contexts of the listed actors to a page of/)
      .waitFor();
    expect(await page.locator('iframe').count()).toBe(0);
    await page.keyboard.press('ArrowRight');
    expect(await page.getByRole('tab', { name: 'Chart' }).getAttribute('aria-selected')).toBe('true');
    // A reply of the listener, so that a request of the page would have been seen.
    await page.evaluate("fetch('/inspect/icon.svg')");
    expect(timesAsked(requests, standIn)).toBe(0);
  });

  it('stays while the filter changes, and begins anew with another daemon', async () => {
    const standIn = await startStandIn();
    const inspection = await anInspection({ inspectorUrl: standIn });
    const { page, requests } = await openPage(inspection.url);
    await isLive(page);
    await load(page, standIn);
    const registered = async (): Promise<number> =>
      (await receivedBy(page, standIn)).filter(({ data }) => data.type === '@xstate.actor').length;
    await until(async () => (await registered()) === 4, { what: 'the actors at the inspector' });
    await page.locator('#filter').fill('breaker:*');
    await page.getByText('3 actors', { exact: true }).waitFor();
    inspection.trip(2);
    await until(
      async () =>
        JSON.stringify((await receivedBy(page, standIn)).map(({ data }) => data['snapshot'])).includes(
          '"open"',
        ),
      { what: 'the transition' },
    );
    expect(await registered()).toBe(4);
    expect(timesAsked(requests, standIn)).toBe(1);
    await inspection.closeServer();
    await page.getByText('What you see is what was known last').waitFor();
    await inspection.restartServer();
    await until(() => timesAsked(requests, standIn) === 2, { what: 'the inspector anew' });
    await until(async () => (await registered()) === 3, { what: 'the actors once more' });
  });

  it('is shown only when it answers, can be tried again, and leads back to the chart', async () => {
    const standIn = await startStandIn();
    const inspection = await anInspection({ inspectorUrl: standIn });
    const { page, requests } = await openPage('about:blank');
    await page.route(standIn.href, (route) => route.abort());
    await page.clock.install();
    await page.goto(inspection.url);
    await page.clock.runFor(100);
    await isLive(page);
    await load(page, standIn);
    await page.getByText(`Loading ${standIn.href}`).waitFor();
    expect(await isFrameVisible(page)).toBe(false);
    await page.clock.runFor(10_000);
    await page.getByText(`${standIn.href} does not answer`).waitFor();
    expect(await isFrameVisible(page)).toBe(false);
    await page.getByRole('button', { name: 'Back to the chart' }).click();
    // The clock of the page stands, and with it its frames.
    const isDrawn = async (): Promise<boolean> => {
      await page.clock.runFor(100);
      return page.locator('#chart').isVisible();
    };
    await until(isDrawn, { what: 'the chart' });
    await expect(idsOf(page, '.state.active')).resolves.toEqual(['closed']);
    await page.unroute(standIn.href);
    await chooseTab(page);
    expect(timesAsked(requests, standIn)).toBe(1);
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.locator('iframe').waitFor({ state: 'visible' });
    expect(await page.getByText('does not answer').isVisible()).toBe(false);
  });

  it('is no part of the page when there is none', async () => {
    const inspection = await anInspection();
    const { page, complaints } = await openPage(inspection.url);
    await isLive(page);
    expect(await page.getByRole('tab', { name: 'Stately inspector' }).isVisible()).toBe(false);
    expect(complaints).toEqual([]);
  });
});

describe('who is told', () => {
  /** Without its policy, which would keep other origins out of the frame before the page can. */
  const openUnguarded = async (url: string): Promise<Page> => {
    const { page } = await openPage(url, { isGuarded: false });
    await isLive(page);
    return page;
  };

  /** Notes which origins said that they are there, after the page itself has heard them. */
  async function hear(page: Page): Promise<() => Promise<readonly string[]>> {
    await page.evaluate(
      "window.heard = []; addEventListener('message', ({ origin }) => window.heard.push(origin))",
    );
    return () => page.evaluate('window.heard');
  }

  const frameOf = (page: Page, url: URL) => page.frames().find((frame) => frame.url() === url.href)!;

  /** Lets something happen that whoever is told would hear of, and awaits that the page has told it. */
  async function tripAndSee(page: Page, inspection: Awaited<ReturnType<typeof anInspection>>) {
    inspection.trip(0);
    await until(async () => (await actorsOf(page))[0]?.[1] === 'open', {
      what: 'the transition in the list',
    });
  }

  it('is nobody before the inspector asks, nor when the page asks itself', async () => {
    const mute = new URL('?mute', await startStandIn());
    const inspection = await anInspection({ inspectorUrl: mute });
    const { page } = await openPage(inspection.url);
    await isLive(page);
    await load(page, mute);
    await until(() => hasFrameOf(page, mute), { what: 'the frame' });
    await page.evaluate("postMessage({ type: '@statelyai.connected' }, '*')");
    await tripAndSee(page, inspection);
    expect(await receivedBy(page, mute)).toEqual([]);
  });

  it('is no other origin that has taken the place of the inspector in its frame', async () => {
    const standIn = await startStandIn();
    const other = new URL('?mute', await startStandIn());
    const inspection = await anInspection({ inspectorUrl: standIn });
    const page = await openUnguarded(inspection.url);
    await load(page, standIn);
    await until(async () => (await receivedBy(page, standIn)).length === 4, { what: 'the handshake' });
    await frameOf(page, standIn).goto(other.href);
    await tripAndSee(page, inspection);
    expect(await receivedBy(page, other)).toEqual([]);
  });

  it('is not believed when another origin asks from the frame of the inspector', async () => {
    const mute = new URL('?mute', await startStandIn());
    const other = await startStandIn();
    const inspection = await anInspection({ inspectorUrl: mute });
    const page = await openUnguarded(inspection.url);
    const heard = await hear(page);
    await load(page, mute);
    await until(() => hasFrameOf(page, mute), { what: 'the frame' });
    await frameOf(page, mute).goto(other.href);
    await until(async () => (await heard()).includes(other.origin), { what: 'the other origin' });
    expect(await isFrameVisible(page)).toBe(false);
    await tripAndSee(page, inspection);
    expect(await receivedBy(page, other)).toEqual([]);
  });

  it('is not believed when another window of the right origin asks', async () => {
    const standIn = await startStandIn();
    const mute = new URL('?mute', standIn);
    const inspection = await anInspection({ inspectorUrl: mute });
    const { page } = await openPage(inspection.url);
    await isLive(page);
    const heard = await hear(page);
    await load(page, mute);
    await until(() => hasFrameOf(page, mute), { what: 'the frame' });
    await page.evaluate(
      `document.body.append(Object.assign(document.createElement('iframe'), { src: '${standIn.href}' }))`,
    );
    await until(async () => (await heard()).includes(standIn.origin), { what: 'the other window' });
    await tripAndSee(page, inspection);
    expect(await receivedBy(page, mute)).toEqual([]);
    expect(await receivedBy(page, standIn)).toEqual([]);
  });
});
