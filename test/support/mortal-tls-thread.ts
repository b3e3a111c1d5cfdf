import { parentPort, workerData } from 'node:worker_threads';
import { systemNow } from '../../src/composition/system-clock.ts';
import { runTlsThread, type TlsThreadSettings } from '../../src/proxy/tls/tls-thread.ts';
import { KILLERS } from './killers.ts';

/** A thread of the TLS listener that a client can kill: by its address, as soon as a backend is looked for. */
runTlsThread(workerData as TlsThreadSettings, {
  port: parentPort!,
  resolverOf: () => ({
    isEmpty: false,
    locate(address) {
      if (address === KILLERS.atOnce) throw new Error(`killed by ${address}`);
      return undefined;
    },
  }),
  random: Math.random,
  now: systemNow,
});
