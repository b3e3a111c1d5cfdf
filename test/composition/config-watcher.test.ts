import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  type ConfigWatcherEvent,
  type ConfigWatcherOptions,
  createConfigWatcher,
} from '../../src/composition/config-watcher.ts';
import { REPLACEMENTS } from '../support/file-replacement.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

const burst = (count: number): string => `[rate_limit]\nburst = ${count}\n`;

/** A file, and what a watcher has told of it, a text each. */
async function aWatch(content: string | undefined, options: Omit<ConfigWatcherOptions, 'path'> = {}) {
  const path = join(await temporaryFolder(), 'edgeproxy.toml');
  if (content !== undefined) await writeFile(path, content);
  const events: ConfigWatcherEvent[] = [];
  const { changes$ } = createConfigWatcher({ path, intervalMs: 3_600_000, ...options });
  const subscription = changes$.subscribe((event) => events.push(event));
  onTestFinished(() => subscription.unsubscribe());
  const told = async (last: string): Promise<readonly string[]> => {
    await until(() => events.some((event) => textOf(event) === last), { what: last });
    return events.map(textOf);
  };
  return { path, changes$, events, told };
}

function textOf(event: ConfigWatcherEvent): string {
  switch (event.type) {
    case 'VALUE_CHANGED':
      return `${event.key}: ${String(event.old)} ${String(event.new)}`;
    case 'FULL_RELOAD':
      return `reloaded ${event.settings.rate_limit.burst}`;
    default:
      return event.type;
  }
}

describe('createConfigWatcher', () => {
  it.each(Object.entries(REPLACEMENTS))(
    'tells once what changes in a file that is %s',
    async (_, replace) => {
      const { path, told } = await aWatch(burst(1));
      await replace(path, burst(2));
      await told('reloaded 2');
      await replace(path, burst(3));
      expect(await told('reloaded 3')).toEqual([
        'FILE_MODIFIED',
        'rate_limit.burst: 1 2',
        'reloaded 2',
        'FILE_MODIFIED',
        'rate_limit.burst: 2 3',
        'reloaded 3',
      ]);
    },
  );

  it('tells of every key, whether a daemon could take it over or not', async () => {
    const { path, told } = await aWatch(burst(1));
    await writeFile(path, `region = "eu"\n${burst(1)}`);
    expect(await told('reloaded 1')).toEqual(['FILE_MODIFIED', 'region: sa eu', 'reloaded 1']);
  });

  it('tells of a bad file, and then of what differs from the last good one', async () => {
    const { path, told, events } = await aWatch(burst(1));
    await writeFile(path, burst(0));
    await told('REFUSED');
    expect(events.at(-1)).toMatchObject({
      error: { message: `${path}:2: rate_limit.burst = 0: expected a whole number from 1 to 2147483` },
    });
    await writeFile(path, burst(5));
    expect(await told('reloaded 5')).toEqual([
      'FILE_MODIFIED',
      'REFUSED',
      'FILE_MODIFIED',
      'rate_limit.burst: 1 5',
      'reloaded 5',
    ]);
  });

  it('awaits a file that is not there, and keeps the settings of one that goes', async () => {
    const { path, told } = await aWatch(undefined);
    await told('REFUSED');
    await writeFile(path, burst(2));
    await told('reloaded 2');
    await rm(path);
    await writeFile(path, burst(3));
    expect(await told('reloaded 3')).toEqual([
      'REFUSED',
      'FILE_MODIFIED',
      'rate_limit.burst: 10 2',
      'reloaded 2',
      'FILE_MODIFIED',
      'rate_limit.burst: 2 3',
      'reloaded 3',
    ]);
  });

  it('has the environment overrule the file', async () => {
    const { path, told } = await aWatch(burst(1), { env: { EDGEPROXY_RATE_LIMIT_BURST: '9' } });
    await writeFile(path, burst(2));
    expect(await told('reloaded 9')).toEqual(['FILE_MODIFIED', 'reloaded 9']);
  });

  it('tells everybody who subscribes the same', async () => {
    const { path, changes$, told, events } = await aWatch(burst(1));
    const others: ConfigWatcherEvent[] = [];
    const subscription = changes$.subscribe((event) => others.push(event));
    await writeFile(path, burst(2));
    await told('reloaded 2');
    expect(others).toEqual(events);
    subscription.unsubscribe();
  });
});
