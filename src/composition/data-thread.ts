import { parentPort, workerData } from 'node:worker_threads';
import { geoResolverOf } from '../adapters/geo/geo-resolver.ts';
import type { DataThreadSettings } from '../proxy/epoll/data-thread-settings.ts';
import { runDataThread } from '../proxy/epoll/data-thread.ts';
import { loadSys, type SysWay } from '../proxy/sys/load-sys.ts';
import { systemNow } from './system-clock.ts';

/** What the module needs to know beside what its thread is to do. */
export interface DataThreadModuleData {
  readonly sysWay: SysWay;
}

interface Data {
  readonly moduleData: DataThreadModuleData;
  readonly settings: DataThreadSettings;
}

/** The module that a data thread runs; not to be imported. */
const { moduleData, settings } = workerData as Data;
const ports = {
  sys: await loadSys(moduleData.sysWay),
  port: parentPort!,
  resolverOf: geoResolverOf,
  random: Math.random,
  now: systemNow,
};
runDataThread(settings, ports);
