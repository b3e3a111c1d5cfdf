/**
 * Prints the eligible backends of a database, again whenever somebody commits a change of them.
 *
 *     subscription statechart ─ CHANGED ─► hints$ ─► backendRows$ ─► deriveEligibleSet ─► a line a set
 *
 * Usage: DATABASE_URL=postgres://… npx node --conditions=edgeproxy-source examples/push-changes/main.ts
 */
import { scan, startWith, Subject } from 'rxjs';
import { createActor, toPromise } from 'xstate';
import {
  backendRows$,
  createBackendReader,
  createOpenSubscription,
  createPostgresPool,
  deriveEligibleSet,
  type EligibleSet,
  EMPTY_SET,
  endpointOf,
  memberOf,
  postgresSubscriptionMachine,
  sessionActor,
} from 'edgeproxy';

const url = process.env['DATABASE_URL'];
if (url === undefined) throw new Error('set DATABASE_URL to postgres://USER:PASSWORD@HOST:PORT/DATABASE');

/** Rows alone decide: this program probes nobody and has no breakers. */
const POLICY = { excludesUnchecked: false, panicThresholdPercent: 0 };

const connection = { url, connectTimeoutMs: 5_000, queryTimeoutMs: 10_000 };
const clockAndChance = { now: () => performance.now(), random: Math.random };

// 1. A pool to read with. The first read also creates the table, its indexes and the trigger, when absent.
const pool = createPostgresPool({
  ...connection,
  maxConnections: 1,
  minConnections: 0,
  onError: (error) => print(`session lost: ${error.message}`),
});
const read = createBackendReader(pool, ({ table, created }) => {
  print(created.length === 0 ? `${table} is there` : `created ${created.join(', ')}`);
});

// 2. A statechart that listens, and goes on trying for as long as it takes. Its actor does the work.
const subscription = createActor(
  postgresSubscriptionMachine.provide({
    actors: { session: sessionActor(createOpenSubscription(connection)) },
  }),
  {
    input: {
      ...clockAndChance,
      backoff: { baseMs: 200, maxMs: 10_000 },
      connectTimeoutMs: connection.connectTimeoutMs,
      heartbeatIntervalMs: 5_000,
      heartbeatTimeoutMs: 3_000,
    },
  },
);
subscription.on('LIVE', () => print('listening'));
subscription.on('LOST', ({ error, retryInMs }) => {
  print(`not listening: ${error.message}; next attempt in ${Math.round(retryInMs)} ms`);
});

// 3. Each notification is a hint to read; rows that did not change are dropped, the others become a new set.
const hints$ = new Subject<{ readonly atMs: number }>();
subscription.on('CHANGED', ({ atMs }) => hints$.next({ atMs }));
const rows$ = backendRows$({
  ...clockAndChance,
  hints$,
  read,
  reloadIntervalMs: 5_000,
  onEvent: (event) => {
    if (event.type === 'READ_FAILED') print(`cannot read, try ${event.failures}: ${String(event.error)}`);
  },
});
const sets$ = rows$.pipe(
  scan((set, { backends }) => deriveEligibleSet(backends.map(memberOf), set.version + 1, POLICY), EMPTY_SET),
);
const printing = sets$.pipe(startWith(EMPTY_SET)).subscribe(printSet);
subscription.start();

// 4. SIGINT or SIGTERM releases everything; the process ends because nothing is left to do.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop());

async function stop(): Promise<void> {
  printing.unsubscribe();
  subscription.send({ type: 'STOP' });
  await toPromise(subscription);
  await pool.close();
  print('stopped');
}

function printSet({ version, eligible, excluded }: EligibleSet): void {
  const taken = eligible.map(
    ({ backend }) => `${backend.id} ${endpointOf(backend)} weight ${backend.weight}`,
  );
  const left = excluded.map(({ backend, reason }) => `${backend.id} is ${reason}`);
  print(`set ${version}: ${[...taken, ...left].join(', ') || 'no backend'}`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
