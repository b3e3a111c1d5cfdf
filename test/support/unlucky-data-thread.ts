import { constants } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { DataThreadModuleData } from '../../src/composition/data-thread.ts';
import { systemNow } from '../../src/composition/system-clock.ts';
import type { DataThreadSettings } from '../../src/proxy/epoll/data-thread-settings.ts';
import { runDataThread } from '../../src/proxy/epoll/data-thread.ts';
import { EPOLL } from '../../src/proxy/sys/constants.ts';
import { loadSys } from '../../src/proxy/sys/load-sys.ts';

interface Data {
  readonly moduleData: DataThreadModuleData;
  readonly settings: DataThreadSettings;
}

/** A data thread whose kernel has no room to watch the first client, as beyond `fs.epoll.max_user_watches`. */
const { moduleData, settings } = workerData as Data;
const sys = await loadSys(moduleData.sysWay);
let clients = 0;
runDataThread(settings, {
  sys: {
    ...sys,
    epollControl(epoll, operation, fd, events, generation) {
      const isClient = operation === EPOLL.ADD && (events & EPOLL.URGENT) !== 0 && (events & EPOLL.OUT) === 0;
      if (isClient && clients++ === 0) return -constants.errno.ENOSPC;
      return sys.epollControl(epoll, operation, fd, events, generation);
    },
  },
  port: parentPort!,
  resolverOf: () => ({ isEmpty: true, locate: () => undefined }),
  random: Math.random,
  now: systemNow,
});
