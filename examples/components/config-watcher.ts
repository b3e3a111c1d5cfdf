/**
 * Follows a configuration file: which settings change, to what, and what is wrong with a bad one.
 *
 * Usage: npx node --conditions=edgeproxy-source examples/components/config-watcher.ts [FILE]
 *
 * Without a file, it makes one, changes it three times, and ends.
 */
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ConfigWatcherEvent, createConfigWatcher } from 'edgeproxy';
import { filter, firstValueFrom, Subject } from 'rxjs';

const [file] = process.argv.slice(2);
if (file === undefined) await show();
else watch(file);

/** Prints what happens to a file; also gives it on, for who waits for it. */
function watch(path: string) {
  const events$ = new Subject<ConfigWatcherEvent>();
  const watcher = createConfigWatcher({ path, intervalMs: 5_000 });
  const subscription = watcher.changes$.subscribe((event) => {
    switch (event.type) {
      case 'FILE_MODIFIED':
        print('the file was modified');
        break;
      case 'VALUE_CHANGED': {
        const { key, old, new: value, secret = false } = event;
        print(secret ? `  ${key} changed` : `  ${key}: ${JSON.stringify(old)} -> ${JSON.stringify(value)}`);
        break;
      }
      case 'FULL_RELOAD':
        print(`  reloaded: ${event.settings.rate_limit.burst} at once`);
        break;
      case 'REFUSED':
        for (const line of event.error.message.split('\n')) print(`  refused: ${line.replace(path, 'FILE')}`);
        break;
    }
    events$.next(event);
  });
  const next = (type: ConfigWatcherEvent['type']) =>
    firstValueFrom(events$.pipe(filter((event) => event.type === type)));
  return { next, stop: () => subscription.unsubscribe() };
}

async function show(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'edgeproxy-example-'));
  const path = join(folder, 'edgeproxy.toml');
  const { next, stop } = watch(path);
  await next('REFUSED'); // There is none yet.
  await replace(path, '[rate_limit]\nburst = 20\n', next('FULL_RELOAD'));
  await replace(path, '[rate_limit]\nburst = "many"\n', next('REFUSED')); // Bad: the last good one stays.
  await replace(path, 'log_level = "debug"\n[rate_limit]\nburst = 30\n', next('FULL_RELOAD'));
  stop();
  await rm(folder, { recursive: true });
}

/** Written beside it and renamed over it: nobody sees a half of it. */
async function replace(path: string, content: string, seen: Promise<unknown>): Promise<void> {
  await writeFile(`${path}.new`, content);
  await rename(`${path}.new`, path);
  await seen;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
