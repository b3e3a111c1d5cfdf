import { type AnyActorRef, createActor, fromPromise, SimulatedClock } from 'xstate';
import { drawMachine } from '../../src/adapters/charts/machine-drawing.ts';
import { machineJsonOf } from '../../src/adapters/charts/studio-json.ts';
import {
  type ListenerLimits,
  type GuardedServer,
  startGuardedServer,
} from '../../src/adapters/http/guarded-server.ts';
import { inspectRoutes } from '../../src/adapters/http/inspect-routes.ts';
import { createInspector, type LiveActors } from '../../src/adapters/inspect/inspector.ts';
import { sanitize } from '../../src/adapters/inspect/sanitize.ts';
import type { ListenAddress, Logger } from '../../src/domain/ports.ts';
import { circuitBreakerMachine } from '../../src/machines/circuit-breaker.ts';
import { lifecycleMachine } from '../../src/machines/lifecycle.ts';

/** Time that a circuit of the harness stays open. */
export const OPEN_MS = 30_000;

const FAILURE_THRESHOLD = 5;

export interface InspectionOptions {
  readonly token?: string;
  readonly hosts?: readonly string[];
  readonly address?: ListenAddress;
  readonly inspectorUrl?: URL;
  readonly maxActors?: number;
  readonly maxStreams?: number;
  readonly beatMs?: number;
  readonly limits?: Partial<ListenerLimits>;
  readonly logger?: Logger;
  /** Backends with a breaker each. Default 3. */
  readonly backends?: number;
}

const silent: Logger = { error() {}, warn() {}, info() {}, debug() {} };

const forever = <T, I>() => fromPromise<T, I>(() => new Promise(() => {}));

/** Actors that a test may add and take away as it likes. */
export function liveActorsOf(actors: ReadonlyMap<string, AnyActorRef>): LiveActors {
  let version = 0;
  return {
    get version() {
      return (version += 1);
    },
    [Symbol.iterator]: () => actors.entries(),
  };
}

function startActors(backends: number) {
  const clock = new SimulatedClock();
  const actors = new Map<string, AnyActorRef>();
  const lifecycle = createActor(
    lifecycleMachine.provide({
      actors: { start: fromPromise(() => Promise.resolve()), drain: forever(), close: forever() },
    }),
    { input: { shutdownTimeoutMs: 1_000, now: () => clock.now() }, clock },
  );
  actors.set('lifecycle', lifecycle);
  const breakers = Array.from({ length: backends }, (_, index) => {
    const breaker = createActor(circuitBreakerMachine, {
      clock,
      input: {
        settings: {
          failureThreshold: FAILURE_THRESHOLD,
          successThreshold: 3,
          openMs: OPEN_MS,
          leaseMs: 10_000,
        },
        now: () => clock.now(),
      },
    });
    actors.set(`breaker:b${index + 1}`, breaker);
    return breaker;
  });
  for (const actor of actors.values()) actor.start();
  return { clock, actors, lifecycle, breakers };
}

/** An admin listener that shows a life cycle and some circuit breakers, on a simulated clock. */
export async function startInspection(options: InspectionOptions = {}) {
  const {
    token,
    hosts = [],
    address = { host: '127.0.0.1', port: 0 },
    maxActors = 100,
    backends = 3,
  } = options;
  const { inspectorUrl, maxStreams, beatMs, limits = {}, logger = silent } = options;
  const parts = startActors(backends);
  const inspector = createInspector({
    actors: liveActorsOf(parts.actors),
    draw: drawMachine,
    describe: (machine) => JSON.stringify(machineJsonOf(machine, sanitize)),
    maxActors,
    wallClock: () => Date.now(),
    rescanMs: 20,
    collectMs: 5,
  });
  const routes = await inspectRoutes({
    inspector,
    inspectorUrl,
    logger,
    ...(maxStreams === undefined ? {} : { maxStreams }),
    ...(beatMs === undefined ? {} : { beatMs }),
  });
  const start = (at: ListenAddress): Promise<GuardedServer> =>
    startGuardedServer({
      address: at,
      addressSetting: 'EDGEPROXY_ADMIN_LISTEN_ADDR',
      name: 'admin',
      tokens: token === undefined ? [] : [{ role: 'admin', token }],
      hosts: { names: hosts, advice: 'EDGEPROXY_ADMIN_HOSTS adds others' },
      routes,
      logger,
      now: () => performance.now(),
      limits,
    });
  let server = await start(address);
  const bound = server.address;
  return {
    ...parts,
    address: bound,
    url: `http://${bound.host}:${bound.port}/inspect`,
    /** Opens the circuit of a backend as its clients would. */
    trip(index: number) {
      const breaker = parts.breakers[index]!;
      const { epoch } = breaker.getSnapshot().context;
      for (let failure = 0; failure < FAILURE_THRESHOLD; failure += 1) {
        breaker.send({ type: 'CONNECTION_FAILED', epoch });
      }
    },
    closeServer: () => server.close(),
    async restartServer() {
      server = await start(bound);
    },
    async close() {
      await server.close();
      for (const actor of parts.actors.values()) actor.stop();
    },
  };
}
