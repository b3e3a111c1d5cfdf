import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { type InspectionOptions, startInspection } from './inspection.ts';
import { once } from './sockets.ts';
import { until } from './until.ts';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

/** Opens the page of live statecharts; every request, and everything that a browser complains about, is kept. */
export type OpenPage = (
  url: string,
  options?: { /** Whether the page's policy binds it; default true. */ readonly isGuarded?: boolean },
) => Promise<{
  readonly page: Page;
  readonly requests: readonly string[];
  readonly complaints: readonly string[];
}>;

/** Starts a browser before the first test of the file and closes it after the last. */
export function inBrowser(): OpenPage {
  let browser: Browser | undefined;

  beforeAll(async () => {
    if (!existsSync(CHROMIUM)) {
      throw new Error(
        `these tests need a browser at ${CHROMIUM}: apt-get update && apt-get install -y chromium (or set CHROMIUM)`,
      );
    }
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [
        '--no-sandbox',
        '--disable-background-networking',
        '--disable-component-update',
        '--no-first-run',
      ],
    });
  });

  afterAll(async () => {
    await browser?.close();
  });

  return async function openPage(url, { isGuarded = true } = {}) {
    const context = await browser!.newContext({
      viewport: { width: 1440, height: 900 },
      bypassCSP: !isGuarded,
    });
    onTestFinished(() => context.close());
    const page = await context.newPage();
    const requests: string[] = [];
    const complaints: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    await page.goto(url);
    return { page, requests, complaints };
  };
}

/** An admin listener that goes away with the running test. */
export async function anInspection(options: InspectionOptions = {}) {
  const inspection = await startInspection(options);
  onTestFinished(() => inspection.close());
  return inspection;
}

/** A page that behaves as the Stately inspector does: says that it is there, and records what it is told. */
const STAND_IN = `<!doctype html><title>stand-in</title><script>
  window.received = [];
  addEventListener('message', ({ origin, data }) => window.received.push({ origin, data }));
  if (location.search !== '?mute') parent.postMessage({ type: '@statelyai.connected' }, '*');
</script>`;

/** Serves a stand-in of the Stately inspector on an origin of its own, away with the running test. */
export async function startStandIn(): Promise<URL> {
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

interface Received {
  readonly origin: string;
  readonly data: { readonly type: string; readonly [field: string]: unknown };
}

/** What the stand-in at this address was told. */
export const receivedBy = async (page: Page, url: URL): Promise<readonly Received[]> =>
  (await page
    .frames()
    .find((frame) => frame.url() === url.href)
    ?.evaluate(() => Reflect.get(globalThis, 'received') as readonly Received[])) ?? [];

/** Awaits that the page is told what happens. */
export const isLive = (page: Page): Promise<void> => page.locator('#connection[data-state="live"]').waitFor();

/** The actors of the list with their states. */
export const actorsOf = (page: Page): Promise<readonly (readonly string[])[]> =>
  page
    .locator('#actors li')
    .evaluateAll((items) =>
      items.map((item) => [...item.querySelectorAll('.who, .state')].map((part) => part.textContent ?? '')),
    );

/** The ids of the chosen elements of the chart without what they begin with. */
export const idsOf = (page: Page, selector: string): Promise<readonly string[]> =>
  page
    .locator(`#chart ${selector}`)
    .evaluateAll((elements) => elements.map(({ id }): string => id.replace(/^\w+-/, '')));

/** The paths of the states that are lit in the chart. */
const litStates = (page: Page): Promise<readonly string[]> => idsOf(page, '.state.active');

/** Awaits that these states are lit, and no others. */
export const shows = (page: Page, lit: readonly string[]): Promise<unknown> =>
  until(async () => (await litStates(page)).toSorted().join() === lit.toSorted().join(), {
    what: `${lit.join()} to be lit`,
  });

/** Chooses an actor of the list. */
export const choose = (page: Page, name: string): Promise<void> =>
  page.locator('#actors li', { hasText: name }).click();
