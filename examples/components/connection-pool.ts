/**
 * Keeps connections to a backend warm, so that whoever needs one does not wait for the handshake.
 *
 * Usage: npx node --conditions=edgeproxy-source examples/components/connection-pool.ts
 */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type BackendPoolReport, ConnectionPool, type PooledConnection, systemNow } from 'edgeproxy';

/** A backend that answers `Hello`, with a number that grows. */
let answers = 0;
const server = createServer((socket) => {
  socket.on('error', () => {});
  socket.on('data', () => socket.write(`Hello ${++answers}`));
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const endpoint = `127.0.0.1:${(server.address() as AddressInfo).port}`;

const pool = new ConnectionPool({
  maxConnectionsPerBackend: 10,
  idleTimeoutMs: 60_000,
  maxLifetimeMs: 300_000,
  connectTimeoutMs: 5_000,
  now: systemNow,
});

await say('first');
await untilWarm();
await say('second');
await untilWarm();
await sayNothing('third');

const [{ hits, misses }] = pool.report().backends as readonly [BackendPoolReport];
print(`hits: ${hits}, misses: ${misses}, came back: ${pool.report().returned}`);
pool.close();
server.close();

async function say(name: string): Promise<void> {
  // Closed when it goes out of scope, as it has been used.
  using connection = await pool.acquire('backend-1', endpoint);
  connection.socket.write('?');
  const [answer] = (await once(connection.socket, 'data')) as [Buffer];
  print(`${name}: ${originOf(connection)}, ${answer.toString()}`);
}

async function sayNothing(name: string): Promise<void> {
  // Goes back to the pool, as nothing has gone through it.
  using connection = await pool.acquire('backend-1', endpoint);
  print(`${name}: ${originOf(connection)}, given back unused`);
}

function originOf({ isWarm }: PooledConnection): string {
  return isWarm ? 'warm' : 'dialled';
}

/** Waits for the backend's side of the connections that the pool has opened. */
async function untilWarm(): Promise<void> {
  while (pool.report().backends.every(({ warm }) => warm === 0)) await delay(1);
  await delay(20);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
