import { parentPort, workerData } from 'node:worker_threads';
import type { DataThreadModuleData } from '../../src/composition/data-thread.ts';
import { systemNow } from '../../src/composition/system-clock.ts';
import type { DataThreadSettings } from '../../src/proxy/epoll/data-thread-settings.ts';
import { runDataThread } from '../../src/proxy/epoll/data-thread.ts';
import { loadSys } from '../../src/proxy/sys/load-sys.ts';
import { HOLD } from './hold.ts';

interface Data {
  readonly moduleData: DataThreadModuleData & { readonly luggage: Int32Array<SharedArrayBuffer> };
  readonly settings: DataThreadSettings;
}

/** A data thread that can be held when it has accepted a client, so that it learns later of what happens meanwhile. */
const { moduleData, settings } = workerData as Data;
const hold = moduleData.luggage;
const sys = await loadSys(moduleData.sysWay);
runDataThread(settings, {
  sys: {
    ...sys,
    accept(listener, address) {
      const client = sys.accept(listener, address);
      if (client >= 0 && Atomics.compareExchange(hold, 0, HOLD.wanted, HOLD.held) === HOLD.wanted)
        Atomics.wait(hold, 0, HOLD.held);
      return client;
    },
  },
  port: parentPort!,
  resolverOf: () => ({ isEmpty: true, locate: () => undefined }),
  random: Math.random,
  now: systemNow,
});
