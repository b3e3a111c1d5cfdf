import { describe, expect, it, onTestFinished } from 'vitest';
import { type AnyActorRef, createActor, createMachine } from 'xstate';
import { actorsOf, anInspection, choose, idsOf, inBrowser, isLive, shows } from '../support/inspect-page.ts';
import { OPEN_MS } from '../support/inspection.ts';
import { until } from '../support/until.ts';

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
    await until(async () => (await page.locator('#announcer').textContent()) === 'breaker:b2 is halfOpen', {
      what: 'the announcement',
    });
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

  it('rounds the readings of a clock in the context', async () => {
    const inspection = await anInspection();
    const context = { timerSinceMs: 7703.395_041, share: 0.123_456, failures: 12_345 };
    const timed = createActor(createMachine({ context })).start();
    onTestFinished(() => void timed.stop());
    inspection.actors.set('timed', timed);
    const { page } = await openPage(`${inspection.url}#pattern=timed`);
    await until(async () => (await page.locator('#context').textContent())?.includes('timerSinceMs'), {
      what: 'the context',
    });
    expect(JSON.parse((await page.locator('#context').textContent())!)).toEqual({
      timerSinceMs: 7703,
      share: 0.1235,
      failures: 12_345,
    });
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

  it('drops the events of actors that the filter leaves out, and asks for no chart again', async () => {
    const inspection = await anInspection();
    const { page, requests } = await openPage(inspection.url);
    await isLive(page);
    await choose(page, 'breaker:b2');
    await shows(page, ['closed']);
    inspection.trip(0);
    inspection.trip(1);
    const namesOfRows = (): Promise<readonly string[]> =>
      page.locator('#events .who').evaluateAll((names) => names.map((name) => name.textContent ?? ''));
    await until(async () => new Set(await namesOfRows()).size === 2, { what: 'the events of both' });
    await page.locator('#filter').fill('breaker:b2');
    await page.getByText('1 actor', { exact: true }).waitFor();
    expect(new Set(await namesOfRows())).toEqual(new Set(['breaker:b2']));
    await shows(page, ['open']);
    expect(requests.filter((url) => url.includes('/charts/'))).toHaveLength(1);
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
    const { page, requests } = await openPage(inspection.url);
    await isLive(page);
    await choose(page, 'breaker:b1');
    const chartsAsked = (): number => requests.filter((url) => url.includes('/charts/')).length;
    await shows(page, ['closed']);
    expect(chartsAsked()).toBe(1);
    await inspection.closeServer();
    await page.getByText(/Connection lost\. Trying again in \d+ s/).waitFor();
    await page.getByText('What you see is what was known last').waitFor();
    inspection.trip(0);
    await inspection.restartServer();
    await isLive(page);
    await shows(page, ['open']);
    expect(await page.locator('#notice').isVisible()).toBe(false);
    // It may be another daemon.
    expect(chartsAsked()).toBe(2);
    expect(await page.locator('#actor-name').textContent()).toBe('breaker:b1');
  });
});
