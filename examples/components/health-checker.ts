/**
 * Probes a web service again and again, and says when it comes and goes.
 *
 * Usage: npx node --conditions=edgeproxy-source examples/components/health-checker.ts
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createActor, fromPromise, waitFor } from 'xstate';
import {
  createProbe,
  healthCheckerMachine,
  healthStatusOf,
  type HealthVerdict,
  type ProbeInput,
  type ProbeResult,
  systemNow,
} from 'edgeproxy';

let status = 200;
const service = createServer((_, response) => response.writeHead(status).end());
service.listen(0, '127.0.0.1');
await once(service, 'listening');

// The statechart says when to probe and what the results mean; the probe does the work.
const probe = createProbe({ maxInFlight: 10, now: systemNow });
const checker = createActor(
  healthCheckerMachine.provide({
    actors: {
      probe: fromPromise<ProbeResult, ProbeInput>(({ input, signal }) =>
        probe(input, input.settings, signal),
      ),
    },
  }),
  {
    input: {
      host: '127.0.0.1',
      port: (service.address() as AddressInfo).port,
      settings: {
        check: { type: 'http', path: '/health', expectedStatus: 200 },
        intervalMs: 20, // A service in production is asked every few seconds.
        timeoutMs: 2_000,
        healthyThreshold: 2,
        unhealthyThreshold: 3,
      },
      now: systemNow,
      random: Math.random,
    },
  },
);
checker.on('VERDICT_CHANGED', ({ verdict, lastError }) => print(`${verdict}: ${lastError ?? 'no error'}`));
checker.start();

await until('healthy');
status = 503;
await until('unhealthy');
const { consecutiveFailures } = healthStatusOf(checker.getSnapshot());
print(`backend healthy: false, after ${consecutiveFailures} failures in a row`);
checker.stop();
service.close();

async function until(verdict: HealthVerdict): Promise<void> {
  await waitFor(checker, (snapshot) => healthStatusOf(snapshot).verdict === verdict);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
