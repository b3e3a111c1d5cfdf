/**
 * How long a committed change takes until a new connection is routed by it, over 200 changes, in a daemon that is warm:
 * 300 changes go before, as compiling its code takes pauses of about 10 ms.
 *
 * A writer takes the nearer of two backends out and puts it back; clients connect one after the other until one meets
 * the backend that it should. The poll is an hour away, so only notifications can be the reason. Parts: `notify` is measured by a
 * LISTEN session of the benchmark's own, from the acknowledged commit (a notification can overtake the
 * acknowledgement); the others are what the daemon logs. Fails when the 99th percentile is 10 ms or more.
 */
import { connect } from 'node:net';
import { Client } from 'pg';
import { startEmbeddedPostgres } from '../../src/adapters/embedded-postgres/cluster.ts';
import { postgresEnv, startDaemon } from '../support/daemon.ts';
import { startTcpBackend } from '../support/sockets.ts';
import { until } from '../support/until.ts';
import { quantileOf, table } from './report.ts';

const CHANGES = 200;
const WARM_UP = 300;
const LIMIT_P99_MS = 10;

const postgres = await startEmbeddedPostgres();
const backends = await Promise.all(['a', 'b'].map((id) => startTcpBackend((socket) => socket.end(id))));
const daemon = await startDaemon({
  env: {
    ...postgresEnv(postgres.url),
    EDGEPROXY_POSTGRES_RELOAD_SECS: '3600',
    EDGEPROXY_BINDING_TTL_SECS: '0',
    EDGEPROXY_LOG_LEVEL: 'info',
  },
});
const writer = new Client(postgres.url);
const listener = new Client(postgres.url);

/** Connects through the proxy; resolves with the id of the backend that answers, or '' when refused. */
function ask(): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    connect(daemon.port, '127.0.0.1')
      .on('data', (chunk) => (answer += chunk.toString()))
      .on('end', () => resolve(answer))
      .on('error', reject);
  });
}

async function askUntil(id: string): Promise<void> {
  while ((await ask()) !== id);
}

try {
  await Promise.all([writer.connect(), listener.connect()]);
  await listener.query('LISTEN edgeproxy_backends');
  let notifiedAtMs = 0;
  listener.on('notification', ({ payload = '' }) => {
    if (!payload.startsWith('heartbeat')) notifiedAtMs = performance.now();
  });
  for (const [index, { port }] of backends.entries()) {
    await writer.query(
      "INSERT INTO backends (id, app, region, country, wg_ip, port, healthy) VALUES ($1, 'bench', $2, 'BR', '127.0.0.1', $3, $4)",
      ['ab'[index], ['us', 'sa'][index], port, index === 0 ? 1 : 0],
    );
  }
  await askUntil('a');

  const total: number[] = [];
  const notify: number[] = [];
  let logged = 0;
  for (let change = 0; change < WARM_UP + CHANGES; change++) {
    const next = 'ba'[change % 2]!;
    if (change === WARM_UP) logged = daemon.logs.length;
    notifiedAtMs = 0;
    // A pause of this process would count as one of the daemon.
    globalThis.gc?.();
    await writer.query("UPDATE backends SET healthy = $1 WHERE id = 'b'", [next === 'b' ? 1 : 0]);
    const committedAtMs = performance.now();
    await askUntil(next);
    const routedAtMs = performance.now();
    await until(() => notifiedAtMs > 0, { what: 'the notification' });
    if (change < WARM_UP) continue;
    total.push(routedAtMs - committedAtMs);
    notify.push(notifiedAtMs - committedAtMs);
  }
  const lines = daemon.logs.slice(logged);
  const field = (msg: string, name: string): readonly number[] =>
    lines.flatMap((line) => (line.msg === msg && typeof line[name] === 'number' ? [line[name]] : []));
  const parts = [
    ['commit to notification', notify],
    ['read', field('backends read', 'readMs')],
    ['derive', field('backends applied', 'deriveMs')],
    ['apply', field('backends applied', 'applyMs')],
    ['commit to route', total],
  ] as const;
  const ms = (value: number): string => value.toFixed(3);
  process.stdout.write(
    `${table([
      [`${CHANGES} changes, ms`, 'p50', 'p90', 'p99', 'max'],
      ...parts.map(([name, samples]) => [
        name,
        ...[0.5, 0.9, 0.99, 1].map((q) => ms(quantileOf(samples, q))),
      ]),
    ])}\n`,
  );
  const p99 = quantileOf(total, 0.99);
  if (!(p99 < LIMIT_P99_MS)) {
    process.stderr.write(`commit to route: p99 is ${ms(p99)} ms, the limit is ${LIMIT_P99_MS} ms\n`);
    process.exitCode = 1;
  }
} finally {
  await Promise.all([
    writer.end(),
    listener.end(),
    daemon.dispose(),
    ...backends.map((backend) => backend.close()),
  ]);
  await postgres.stop();
}
