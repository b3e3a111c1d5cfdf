/**
 * Leaves a failing service alone for a while: the statechart of the circuit breaker around calls of one's own.
 *
 * Usage: npx node --conditions=edgeproxy-source examples/components/circuit-breaker.ts
 */
import { createActor, waitFor } from 'xstate';
import { circuitBreakerMachine, circuitGateOf, systemNow } from 'edgeproxy';

const breaker = createActor(circuitBreakerMachine, {
  input: {
    settings: {
      failureThreshold: 5, // Failures in a row before it opens.
      successThreshold: 3, // Successful trials before it closes.
      openMs: 50, // Time in the open state; a service in production gets seconds.
      leaseMs: 30_000,
    },
    now: systemNow,
  },
});
breaker.on('TRANSITIONED', ({ to, cause }) => print(`${to} (${cause})`));
breaker.start();

let isUp = false;
let asked = 0;
async function service(): Promise<string> {
  asked++;
  if (!isUp) throw new Error('it is down');
  return 'an answer';
}

/** Asks the service if the circuit allows it, and tells the breaker how that went. */
async function call(): Promise<string | undefined> {
  const gate = circuitGateOf(breaker.getSnapshot());
  // No permit: fail fast. Whoever runs calls side by side also counts, and gives out as many permits at one time.
  if (gate.permits === 0) return undefined;
  try {
    const answer = await service();
    breaker.send({ type: 'CONNECTION_SUCCEEDED', epoch: gate.epoch });
    return answer;
  } catch {
    breaker.send({ type: 'CONNECTION_FAILED', epoch: gate.epoch });
    return undefined;
  }
}

for (let count = 0; count < 8; count++) await call();
print(`8 calls, ${asked} of them reached the service`);

isUp = true;
await waitFor(breaker, (snapshot) => snapshot.matches('halfOpen'));
for (let count = 0; count < 3; count++) await call();
print(`then ${String(await call())}`);
breaker.stop();

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
