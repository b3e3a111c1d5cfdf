import { describe, expect, it } from 'vitest';
import { Apps, BY_SERVER_NAME, EVERY_APP, MOST_APPS } from '../../src/proxy/apps.ts';

describe('the numbers of apps', () => {
  it('are each one app’s, for good', () => {
    const apps = new Apps();
    const web = apps.of('web');
    expect([apps.of(undefined).number, apps.of('db').number === web.number, apps.of('web')]).toEqual([
      EVERY_APP,
      false,
      web,
    ]);
    expect(apps.ofListener({ app: 'web' })).toEqual(web);
    expect(apps.ofListener({ goesByServerName: true }).number).toBe(BY_SERVER_NAME);
  });

  it('are looked at without being given out', () => {
    const apps = new Apps();
    expect(apps.look('web')).toEqual({ number: MOST_APPS, name: 'web' });
    const web = apps.of('web');
    expect([apps.look('web'), apps.look(undefined).number]).toEqual([web, EVERY_APP]);
    const named = [web.number, EVERY_APP, BY_SERVER_NAME, MOST_APPS].map((number) => apps.nameOf(number));
    expect(named).toEqual(['web', undefined, undefined, undefined]);
  });

  it('come to an end, which names the app that has none', () => {
    const apps = new Apps();
    for (let index = 1; index < MOST_APPS; index++) apps.of(`app ${index}`);
    expect(() => apps.of('one more')).toThrow(expect.objectContaining({ code: 'ERR_LISTEN' }));
    expect(() => apps.of('one more')).toThrow('app "one more": no more than 1023 apps');
    expect(apps.of('app 7').name).toBe('app 7');
  });
});
