import type { Page } from 'playwright-core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createActor, fromPromise } from 'xstate';
import { backendMachine } from '../../src/machines/backend.ts';
import { anInspection, choose, idsOf, inBrowser, shows } from '../support/inspect-page.ts';
import { OPEN_MS } from '../support/inspection.ts';

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
});
