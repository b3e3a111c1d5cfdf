import { parentPort, workerData } from 'node:worker_threads';
import { geoResolverOf } from '../adapters/geo/geo-resolver.ts';
import { runTlsThread, type TlsThreadSettings } from '../proxy/tls/tls-thread.ts';
import { systemNow } from './system-clock.ts';

/** The module that a thread of the TLS listener runs; not to be imported. */
runTlsThread(workerData as TlsThreadSettings, {
  port: parentPort!,
  resolverOf: geoResolverOf,
  random: Math.random,
  now: systemNow,
});
