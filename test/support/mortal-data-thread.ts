import { parentPort, workerData } from 'node:worker_threads';
import { systemNow } from '../../src/composition/system-clock.ts';
import type { DataThreadModuleData } from '../../src/composition/data-thread.ts';
import type { DataThreadSettings } from '../../src/proxy/epoll/data-thread-settings.ts';
import { runDataThread } from '../../src/proxy/epoll/data-thread.ts';
import { loadSys } from '../../src/proxy/sys/load-sys.ts';
import { KILLERS } from './killers.ts';

interface Data {
  readonly moduleData: DataThreadModuleData;
  readonly settings: DataThreadSettings;
}

/** The lock of the first set of buckets. */
const LOCK_CELL = 0;

/** A data thread that a client can kill: by its address, as soon as a backend is looked for. */
const { moduleData, settings } = workerData as Data;
let looks = 0;
runDataThread(settings, {
  sys: await loadSys(moduleData.sysWay),
  port: parentPort!,
  resolverOf: () => ({
    isEmpty: false,
    locate(address) {
      if (address === KILLERS.withLock)
        Atomics.store(settings.rateLimit.table.ints, LOCK_CELL, settings.thread + 1);
      const isLate = address === KILLERS.late && ++looks === 2;
      if (address === KILLERS.atOnce || address === KILLERS.withLock || isLate)
        throw new Error(`killed by ${address}`);
      return undefined;
    },
  }),
  random: Math.random,
  now: systemNow,
});
