import type { Page } from 'playwright-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createActor, createMachine, fromPromise } from 'xstate';
import { backendMachine } from '../../src/machines/backend.ts';
import { anInspection, choose, idsOf, inBrowser, isLive, shows } from '../support/inspect-page.ts';
import { OPEN_MS } from '../support/inspection.ts';
import { until } from '../support/until.ts';

const openPage = inBrowser();

interface Paint {
  readonly fill: string;
  readonly stroke: string;
  /** The colour of the words. */
  readonly text: string;
}

/** How the box of a state is painted. */
const paintOf = (page: Page, path: string): Promise<Paint> =>
  page.locator(`#state-${path}`).evaluate((state) => {
    const styleOf = Reflect.get(globalThis, 'getComputedStyle') as (
      element: unknown,
    ) => Record<string, string>;
    const [box, text] = [styleOf(state.querySelector('path')), styleOf(state.querySelector('text'))];
    return { fill: box['fill']!, stroke: box['stroke']!, text: text['fill']! };
  });

/** The contrast of two colours `rgb(…)`, as WCAG 2 defines it: from 1 to 21. */
function contrast(...colours: readonly [string, string]): number {
  const [dark, light] = colours
    .map((colour) => {
      const [red, green, blue] = (colour.match(/[\d.]+/g) ?? []).map((part) => {
        const share = Number(part) / 255;
        return share <= 0.040_45 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
    })
    .toSorted((a, b) => a - b);
  return (light! + 0.05) / (dark! + 0.05);
}

/** Contrast that WCAG 2 asks for at its highest level. */
const READABLE = 7;

describe('the chart in the page', () => {
  it('shows the present state to whoever comes late, follows it, and shows it to others as well', async () => {
    const inspection = await anInspection();
    inspection.trip(0);
    const { page, requests, complaints } = await openPage(`${inspection.url}#pattern=breaker:*`);
    await shows(page, ['open']);
    expect(await page.locator('#chart .taken').count()).toBe(0);
    inspection.clock.increment(OPEN_MS);
    await shows(page, ['halfOpen']);
    expect(await idsOf(page, '.taken')).toHaveLength(1);
    const { page: late } = await openPage(`${inspection.url}#pattern=breaker:b1`);
    await shows(late, ['halfOpen']);
    inspection.trip(0);
    for (const one of [page, late]) await shows(one, ['open']);
    expect(requests.filter((url) => url.includes('/charts/'))).toHaveLength(1);
    expect(complaints).toEqual([]);
  });

  it('lights every active state of a machine with regions, and those around them', async () => {
    const inspection = await anInspection();
    const life = createActor(backendMachine, { input: { drainTimeoutMs: 30_000, now: () => 0 } }).start();
    onTestFinished(() => void life.stop());
    inspection.actors.set('backend:b1', life);
    const { page, complaints } = await openPage(inspection.url);
    await choose(page, 'backend:b1');
    const present = ['present', 'present.checks', 'present.row'];
    await shows(page, [...present, 'present.checks.steady', 'present.row.active']);
    life.send({ type: 'REMOVED' });
    await shows(page, [...present, 'present.checks.steady', 'present.row.draining']);
    expect(await page.locator('#chart .taken text').first().textContent()).toBe('REMOVED');
    expect(complaints).toEqual([]);
  });

  it('lights the state around all others', async () => {
    const inspection = await anInspection();
    const region = { initial: 'on', states: { on: {}, off: {} } };
    const machine = createMachine({ id: 'regions', type: 'parallel', states: { a: region, b: region } });
    const actor = createActor(machine).start();
    onTestFinished(() => void actor.stop());
    inspection.actors.set('regions', actor);
    const { page } = await openPage(inspection.url);
    await choose(page, 'regions');
    await shows(page, ['', 'a', 'a.on', 'b', 'b.on']);
    expect(await page.locator('#chart .taken').count()).toBe(0);
  });

  it('paints what is lit so that it is seen, in light and in dark', async () => {
    const inspection = await anInspection();
    const { page } = await openPage(inspection.url);
    await choose(page, 'breaker:b1');
    await shows(page, ['closed']);
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      const [lit, unlit] = [await paintOf(page, 'closed'), await paintOf(page, 'open')];
      expect(lit.fill).not.toBe(unlit.fill);
      expect(lit.stroke).not.toBe(unlit.stroke);
      for (const { fill, text } of [lit, unlit]) expect(contrast(fill, text)).toBeGreaterThan(READABLE);
    }
  });

  it('says that an actor without a statechart has none', async () => {
    const inspection = await anInspection();
    const job = createActor(fromPromise(() => new Promise(() => {}))).start();
    onTestFinished(() => void job.stop());
    inspection.actors.set('job', job);
    const { page } = await openPage(inspection.url);
    await choose(page, 'job');
    await page.getByText('This actor runs no statechart.').waitFor();
    expect(await page.locator('#chart').isVisible()).toBe(false);
    await choose(page, 'breaker:b1');
    await shows(page, ['closed']);
  });

  it('is asked for again when it did not come and somebody says so', async () => {
    const inspection = await anInspection();
    const { page } = await openPage('about:blank');
    const charts = '**/inspect/charts/*';
    await page.route(charts, (route) =>
      route.fulfill({ status: 503, contentType: 'text/plain', body: 'busy with others\n' }),
    );
    await page.goto(inspection.url);
    await page.getByText('The daemon did not draw this chart: busy with others (503).').waitFor();
    await page.unroute(charts);
    await page.getByRole('button', { name: 'Try again' }).click();
    await shows(page, ['closed']);
    expect(await page.getByRole('button', { name: 'Try again' }).isVisible()).toBe(false);
  });
});

/** Where an element lies in the window, and where the panel of the chart does. */
const boxesOf = async (page: Page, selector: string) => {
  const [box, panel] = await Promise.all(
    [selector, '#panel-chart'].map((each) => page.locator(each).boundingBox()),
  );
  return { box: box!, panel: panel! };
};

/** Whether all of an element is within the panel of the chart. */
async function isInView(page: Page, selector: string): Promise<boolean> {
  const { box, panel } = await boxesOf(page, selector);
  return (
    box.x >= panel.x &&
    box.y >= panel.y &&
    box.x + box.width <= panel.x + panel.width &&
    box.y + box.height <= panel.y + panel.height
  );
}

/** How high the words of a transition are, in pixels: Graphviz writes them in a size of 11. */
const labelSizeOf = (page: Page): Promise<number> =>
  page
    .locator('#chart svg')
    .evaluate((svg) => (11 * svg.clientWidth) / Number(svg.getAttribute('viewBox')!.split(' ')[2]));

const LEAST_READABLE = 9.99;

describe('the size of the chart', () => {
  const NARROW = { width: 390, height: 844 };
  const pressed = (page: Page): Promise<string | null> =>
    page.locator('#sizes [aria-pressed="true"]').textContent();

  it('is the width of the panel where that can be read, and what somebody chooses', async () => {
    const inspection = await anInspection();
    const { page } = await openPage(`${inspection.url}#pattern=breaker:*`);
    await shows(page, ['closed']);
    expect(await pressed(page)).toBe('Fit');
    expect(await isInView(page, '#chart')).toBe(true);
    expect(await labelSizeOf(page)).toBeGreaterThan(LEAST_READABLE);
    await page.setViewportSize({ width: 900, height: 700 });
    await until(async () => (await pressed(page)) === '100 %', { what: 'a size that can be read' });
    expect(await isInView(page, '#chart')).toBe(false);
    expect(await labelSizeOf(page)).toBeGreaterThan(LEAST_READABLE);
    await page.getByRole('button', { name: 'Fit' }).click();
    expect(await isInView(page, '#chart')).toBe(true);
    await page.getByRole('button', { name: '100 %' }).click();
    expect(await isInView(page, '#chart')).toBe(false);
  });

  it('lets nobody miss a state that becomes active, and moves the page for nobody', async () => {
    const inspection = await anInspection();
    const { page } = await openPage('about:blank');
    await page.setViewportSize(NARROW);
    await page.goto(`${inspection.url}#pattern=breaker:*`);
    await shows(page, ['closed']);
    expect(await isInView(page, '#state-open')).toBe(false);
    const before = await boxesOf(page, '#stage');
    inspection.trip(0);
    await shows(page, ['open']);
    await until(() => isInView(page, '#state-open'), { what: 'the open circuit in view' });
    expect(await boxesOf(page, '#stage')).toEqual(before);
  });

  it('goes to the chart of whom somebody chooses in a narrow window, but not in passing', async () => {
    const inspection = await anInspection({ backends: 30 });
    const { page } = await openPage('about:blank');
    await page.setViewportSize(NARROW);
    await page.goto(inspection.url);
    await isLive(page);
    await until(async () => (await page.locator('#actors li').count()) === 31, { what: 'the actors' });
    const topOf = async (): Promise<number> => (await boxesOf(page, '#stage')).box.y;
    const top = await topOf();
    expect(top).toBeLessThan(NARROW.height / 2 + 100);
    await page.locator('#actors').focus();
    await page.keyboard.press('ArrowDown');
    await shows(page, ['closed']);
    expect(await topOf()).toBe(top);
    expect((await boxesOf(page, '.bar .mark')).box.width).toBe(26);
    await page.keyboard.press('Enter');
    await until(async () => Math.abs(await topOf()) < 2, { what: 'the chart' });
    await page.evaluate('scrollTo(0, 0)');
    await choose(page, 'breaker:b29');
    await until(async () => Math.abs(await topOf()) < 2, { what: 'the chart again' });
  });
});
