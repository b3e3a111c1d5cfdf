import { parentPort, workerData } from 'node:worker_threads';
import type { DataThreadModuleData } from '../../src/composition/data-thread.ts';
import { systemNow } from '../../src/composition/system-clock.ts';
import type { DataThreadSettings } from '../../src/proxy/epoll/data-thread-settings.ts';
import { runDataThread } from '../../src/proxy/epoll/data-thread.ts';
import { loadSys } from '../../src/proxy/sys/load-sys.ts';
import { FAULT } from './fault.ts';

interface Data {
  readonly moduleData: DataThreadModuleData & { readonly luggage: Int32Array<SharedArrayBuffer> };
  readonly settings: DataThreadSettings;
}

const NO_DESCRIPTOR = -1;

/** A data thread whose kernel fails when its luggage says so. */
const { moduleData, settings } = workerData as Data;
const faults = moduleData.luggage;
const sys = await loadSys(moduleData.sysWay);
runDataThread(settings, {
  sys: {
    ...sys,
    dial(family, address, length, delaysAcks) {
      // The pool's own do not delay.
      const error = delaysAcks === 1 ? Atomics.exchange(faults, FAULT.dial, 0) : 0;
      return error > 0 ? -error : sys.dial(family, address, length, delaysAcks);
    },
    transfer(from, to, buffer, length, flags) {
      const fails = Atomics.exchange(faults, FAULT.write, 0) !== 0;
      return sys.transfer(from, fails ? NO_DESCRIPTOR : to, buffer, length, flags);
    },
  },
  port: parentPort!,
  resolverOf: () => ({ isEmpty: true, locate: () => undefined }),
  random: Math.random,
  now: systemNow,
});
