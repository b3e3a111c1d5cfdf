/**
 * What the pool of warm connections saves: the time from a client's connect to its first byte, through a daemon whose
 * backend is a network away. A relay between the two stands for that network: nothing goes through a connection before
 * a round trip has passed since it was opened, as if its handshake took that, and every byte takes half of one.
 *
 * Clients come at an even pace, by turns to a daemon with the pool and to one without. Prints the median and the worst
 * time of both. Fails when the median with the pool is not lower by half a round trip at least.
 *
 * Usage: node test/bench/pool.ts [CLIENTS] [ROUND_TRIP_MS]
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type DaemonProcess, startDaemon } from '../support/daemon.ts';
import { once, startTcpBackend, tcpConnect } from '../support/sockets.ts';
import { quantileOf, table } from './report.ts';

const [clients = 200, roundTripMs = 20] = process.argv.slice(2).map(Number);
const MOST_CLIENTS = 2_000;
const MOST_MS = 200;
if (!(clients >= 20 && clients <= MOST_CLIENTS && roundTripMs >= 5 && roundTripMs <= MOST_MS))
  throw new RangeError(`expected 20 to ${MOST_CLIENTS} clients and a round trip of 5 to ${MOST_MS} ms`);

/** Until a daemon has had clients enough to know how often they come. */
const WARM_UP = 5;

/** Hands bytes on, and the end, each after its time. */
function passOn(from: Socket, to: Socket, notBeforeMs: number): void {
  const later = (act: () => void): void => {
    const atMs = Math.max(performance.now(), notBeforeMs) + roundTripMs / 2;
    setTimeout(act, atMs - performance.now());
  };
  from.on('data', (bytes) => later(() => to.write(bytes)));
  from.on('end', () => later(() => to.end()));
  from.on('error', () => to.destroy());
  from.on('close', () => to.destroySoon());
}

/** Milliseconds from the connect of a client to its first byte. */
async function timeTo({ port }: DaemonProcess): Promise<number> {
  const startedMs = performance.now();
  const client = await tcpConnect(port);
  client.write('?');
  await once(client, 'data');
  const tookMs = performance.now() - startedMs;
  client.destroy();
  return tookMs;
}

const backend = await startTcpBackend((socket) => void socket.pipe(socket));
const network = await startTcpBackend((socket) => {
  const handshakeMs = performance.now() + roundTripMs;
  const onwards = connect({ port: backend.port, host: '127.0.0.1', noDelay: true });
  passOn(socket, onwards, handshakeMs);
  passOn(onwards, socket, handshakeMs);
});
const folder = await mkdtemp(join(tmpdir(), 'edgeproxy-bench-'));
const file = join(folder, 'edge.toml');
await writeFile(
  file,
  `[[backends]]\nid = "a"\napp = "bench"\nregion = "sa"\ncountry = "BR"\nwg_ip = "127.0.0.1"\nport = ${network.port}\n`,
);
const startWith = (isPooled: boolean) =>
  startDaemon({
    args: ['--config', file],
    env: { EDGEPROXY_POOL_ENABLED: String(isPooled), EDGEPROXY_THREADS: '1', EDGEPROXY_LOG_LEVEL: 'info' },
  });
const daemons = await Promise.all([startWith(false), startWith(true)]);
const samples: [number[], number[]] = [[], []];
try {
  for (let round = 0; round < clients; round++) {
    for (const [index, daemon] of daemons.entries()) {
      const tookMs = await timeTo(daemon);
      if (round >= WARM_UP) samples[index]!.push(tookMs);
      await delay(roundTripMs);
    }
  }
  const hits = await daemons[1].metric('edgeproxy_pool_hits_total{backend="a"}');
  const medians = samples.map((own) => quantileOf(own, 0.5)) as [number, number];
  const savedMs = medians[0] - medians[1];
  const rows = ['without a pool', 'with a pool'].map((name, index) => [
    name,
    medians[index]!.toFixed(1),
    quantileOf(samples[index]!, 1).toFixed(1),
  ]);
  process.stdout.write(
    `${table([['time to the first byte', 'ms, median', 'worst'], ...rows])}\n` +
      `saved ${savedMs.toFixed(1)} ms of a round trip of ${roundTripMs} ms; ${hits} of ${clients} clients got a warm connection\n`,
  );
  if (savedMs < roundTripMs / 2) {
    process.stderr.write(
      `the pool saves ${savedMs.toFixed(1)} ms, half a round trip is ${roundTripMs / 2} ms\n`,
    );
    process.exitCode = 1;
  }
} finally {
  await Promise.all(daemons.map((daemon) => daemon.dispose()));
  await Promise.all([network.close(), backend.close()]);
  await rm(folder, { recursive: true });
}
