import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { anInspection, inBrowser, isLive } from '../support/inspect-page.ts';
import { until } from '../support/until.ts';

/** With what is special in a fragment. */
const TOKEN = 'a-token+of/the.tests~0123456789==';
const REFUSED =
  'That token was refused; it is in EDGEPROXY_ADMIN_TOKEN or in the file that the daemon logged';
const UNSENDABLE = 'it has a space or a character in it that no header can carry';
const EVENTS = /\/inspect\/events\?/;

const openPage = inBrowser();

const tokenField = (page: Page) => page.getByLabel('This listener asks for its admin token');

async function offerToken(page: Page, token: string): Promise<void> {
  await tokenField(page).fill(token);
  await page.getByRole('button', { name: 'Connect' }).click();
}

/** The addresses that the way back leads to, and the present one. */
const historyOf = (page: Page): Promise<readonly string[]> =>
  page.evaluate('navigation.entries().map(({ url }) => url)');

const streamsAsked = (requests: readonly string[]): number =>
  requests.filter((url) => EVENTS.test(url)).length;

describe('the page on a listener with a token', () => {
  it('asks for it, says when it was the wrong one, and uses the right one', async () => {
    const inspection = await anInspection({ token: TOKEN });
    const { page, requests } = await openPage(inspection.url);
    await tokenField(page).waitFor();
    expect(await page.getByText(REFUSED).isVisible()).toBe(false);
    expect(await page.locator('#sizes').isVisible()).toBe(false);
    for (const wrong of ['wrong', 'also-wrong']) {
      await offerToken(page, wrong);
      await page.getByText(REFUSED).waitFor();
    }
    await offerToken(page, TOKEN);
    await isLive(page);
    expect(await page.locator('#token-form').isVisible()).toBe(false);
    expect(requests.join()).not.toContain(TOKEN);
  });

  it('refuses a token that cannot be sent, and sends nothing', async () => {
    const inspection = await anInspection({ token: TOKEN });
    const { page, requests } = await openPage(inspection.url);
    await tokenField(page).waitFor();
    for (const wrong of ['dash–instead-of-hyphen', 'two words', '漢字']) {
      await offerToken(page, wrong);
      await page.getByText(UNSENDABLE).waitFor();
    }
    expect(streamsAsked(requests)).toBe(1);
    await offerToken(page, TOKEN);
    await isLive(page);
    expect(streamsAsked(requests)).toBe(2);
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

  it('takes it from a fragment that comes while the page is open', async () => {
    const inspection = await anInspection({ token: TOKEN });
    const { page, requests } = await openPage(inspection.url);
    await tokenField(page).waitFor();
    await page.goto(`${inspection.url}#token=%E2%9C%93`);
    await page.getByText(UNSENDABLE).waitFor();
    expect(page.url()).toBe(inspection.url);
    await page.goto(`${inspection.url}#token=wrong`);
    await page.getByText(REFUSED).waitFor();
    await page.goto(`${inspection.url}#token=${TOKEN}&pattern=lifecycle`);
    await isLive(page);
    await page.getByText('1 actor', { exact: true }).waitFor();
    expect(await page.locator('#filter').inputValue()).toBe('lifecycle');
    expect(page.url()).toBe(`${inspection.url}#pattern=lifecycle`);
    expect((await historyOf(page)).join()).not.toContain('token');
    // One document all the time.
    expect(requests.filter((url) => url === inspection.url)).toHaveLength(1);
  });
});

describe('the page on a listener that refuses', () => {
  it('says what the daemon says, and tries again when there is room', async () => {
    const inspection = await anInspection({ maxStreams: 1 });
    const { page: first } = await openPage(inspection.url);
    await isLive(first);
    const { page } = await openPage('about:blank');
    await page.clock.install();
    await page.goto(inspection.url);
    await page.getByText(/^The daemon refuses: \w.+ \(503\)\.$/).waitFor();
    await page.getByText('Refused. Trying again in 5 s').waitFor();
    expect(await page.getByText('does not answer').isVisible()).toBe(false);
    await first.close();
    const isThere = async (): Promise<boolean> => {
      await page.clock.runFor(5_000);
      return page.locator('#connection[data-state="live"]').isVisible();
    };
    await until(isThere, { what: 'room' });
    expect(await page.locator('#notice').isVisible()).toBe(false);
  });

  it('waits as long as the daemon asks for, unless somebody does not want to', async () => {
    const inspection = await anInspection();
    const { page, requests } = await openPage('about:blank');
    await page.route(EVENTS, (route) =>
      route.fulfill({
        status: 503,
        contentType: 'text/plain',
        headers: { 'retry-after': '60' },
        body: 'come back later\n',
      }),
    );
    await page.clock.install();
    await page.goto(inspection.url);
    await page.getByText('Refused. Trying again in 60 s').waitFor();
    await page.clock.runFor(59_000);
    expect(streamsAsked(requests)).toBe(1);
    await page.clock.runFor(1_500);
    await until(() => streamsAsked(requests) === 2, { what: 'a second attempt' });
    await page.unroute(EVENTS);
    await page.getByRole('button', { name: 'Try again now' }).click();
    await isLive(page);
  });

  it('shows a refusal for good as one, and no page of somebody in between', async () => {
    const inspection = await anInspection();
    const { page } = await openPage('about:blank');
    await page.route(EVENTS, (route) =>
      route.fulfill({ status: 403, contentType: 'text/plain', body: 'this host name is not served here\n' }),
    );
    await page.goto(inspection.url);
    await page.getByText('The daemon refuses: this host name is not served here (403).').waitFor();
    const logo = page.locator('.bar .mark');
    const wide = await logo.boundingBox();
    await page.setViewportSize({ width: 390, height: 844 });
    expect((await logo.boundingBox())?.width).toBe(wide?.width);
    await page.unroute(EVENTS);
    await page.route(EVENTS, (route) =>
      route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>a page</h1>' }),
    );
    await page.getByText('The daemon refuses: Bad Gateway (502).').waitFor();
    expect(await page.getByText('a page').count()).toBe(0);
  });
});
