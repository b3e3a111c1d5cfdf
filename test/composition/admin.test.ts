import type { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createActor } from 'xstate';
import { startAdmin } from '../../src/composition/admin.ts';
import { loadSettings } from '../../src/config/load.ts';
import { lifecycleMachine } from '../../src/machines/lifecycle.ts';
import { liveActorsOf } from '../support/inspection.ts';
import { look } from '../support/looker.ts';
import { silentLogger } from '../support/proxy.ts';
import { once } from '../support/sockets.ts';
import { until } from '../support/until.ts';

describe('the admin listener of the settings', () => {
  it('gives up a drawing when it closes', async () => {
    const { settings } = loadSettings({ EDGEPROXY_ADMIN_LISTEN_ADDR: '127.0.0.1:0' });
    const lifecycle = createActor(lifecycleMachine, { input: { shutdownTimeoutMs: 1_000, now: () => 0 } });
    const errors: string[] = [];
    const logger = { ...silentLogger, error: (_: object, message: string) => errors.push(message) };
    const admin = await startAdmin(settings, liveActorsOf(new Map([['lifecycle', lifecycle]])), logger);
    onTestFinished(() => admin.close());
    const url = `http://127.0.0.1:${admin.address.port}/inspect`;
    const looker = await look(url);
    await until(() => looker.text().includes('edgeproxy.live'), { what: 'the machine to be named' });
    const threadBegun = once(process, 'worker');
    const answer = fetch(`${url}/charts/lifecycle-1`).catch((error: unknown) => error);
    const [thread] = (await threadBegun) as readonly [Worker];
    let drawings = 0;
    thread.on('message', () => (drawings += 1));
    const ended = once(thread, 'exit');
    await admin.close();
    await ended;
    expect(drawings).toBe(0);
    expect(await answer).toBeInstanceOf(Error);
    expect(errors).toEqual([]);
  });
});
