/**
 * Backends in PostgreSQL: makes the table when it is absent, keeps a list of them up to date, prints the healthy ones.
 *
 * Usage: DATABASE_URL=postgres://… npx node --conditions=edgeproxy-source examples/components/postgres-backends.ts
 *
 * `examples/push-changes` shows the same with LISTEN, so that a commit arrives at once.
 */
import { firstValueFrom, NEVER, shareReplay } from 'rxjs';
import {
  backendRows$,
  createPostgresPool,
  endpointOf,
  initialize,
  messageOf,
  readBackends,
  systemNow,
} from 'edgeproxy';

const url = process.env['DATABASE_URL'];
if (url === undefined) throw new Error('set DATABASE_URL to postgres://USER:PASSWORD@HOST:PORT/DATABASE');

const pool = createPostgresPool({
  url,
  maxConnections: 10,
  minConnections: 2,
  connectTimeoutMs: 5_000,
  queryTimeoutMs: 10_000,
  onError: (error) => print(`session lost: ${error.message}`),
});

const { table, created, optionalColumns } = await initialize(pool);
print(created.length === 0 ? `${table} is there` : `created ${created.join(', ')}`);

// Reads now and every five seconds; whoever subscribes gets the last list, and each that differs from the one before.
const updates$ = backendRows$({
  hints$: NEVER,
  read: () => readBackends(pool, optionalColumns),
  reloadIntervalMs: 5_000,
  onEvent: (event) => {
    if (event.type === 'READ_FAILED') print(`cannot read: ${messageOf(event.error)}`);
  },
  now: systemNow,
  random: Math.random,
}).pipe(shareReplay({ bufferSize: 1, refCount: true }));
const sync = updates$.subscribe();

const { backends, skipped } = await firstValueFrom(updates$);
for (const backend of backends)
  if (backend.adminUp && !backend.deleted) print(`${backend.id} at ${endpointOf(backend)}`);
for (const { id, problems } of skipped) print(`${id} is no backend: ${problems.join(', ')}`);

sync.unsubscribe();
await pool.close();

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
