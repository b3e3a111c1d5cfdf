import { describe, expect, it } from 'vitest';
import type { ChartDrawing } from '../../src/domain/chart-drawing.ts';
import type { InspectionMessage } from '../../src/adapters/inspect/messages.ts';
import { SETTINGS } from '../../src/config/catalogue.ts';
import type { DaemonAddresses } from '../../src/daemon.ts';
import type { DaemonProcess, Env } from '../support/daemon.ts';
import {
  aDaemon,
  aDatabase,
  anEchoBackend,
  anEchoClient,
  ask,
  NO_AFFINITY,
  putBackends,
  untilApplied,
} from '../support/edge.ts';
import { look } from '../support/looker.ts';
import { secretForms } from '../support/secret-forms.ts';
import { freePort } from '../support/sockets.ts';
import { until } from '../support/until.ts';

const DATABASE_URL = 'EDGEPROXY_POSTGRES_URL';
const ADMIN_TOKEN = 'EDGEPROXY_ADMIN_TOKEN';

/** As many as a circuit bears by default. */
const FAILURES = 5;

/** A value for each secret setting that no text holds by chance, with characters that encodings change. */
const CANARIES: Env = Object.fromEntries(
  SETTINGS.flatMap(({ env, secret }) =>
    secret === true && env !== undefined ? [[env, `Canary/of+${env}~1`]] : [],
  ),
);

/** The secret settings of a daemon; that of the database is the password in its URL. */
function secretEnv(databaseUrl: string): Env {
  const url = new URL(databaseUrl);
  url.password = CANARIES[DATABASE_URL]!;
  return { ...CANARIES, [DATABASE_URL]: url.href };
}

/** Looks at every actor of a daemon with its admin token, and at everything else that its listener serves for that. */
async function anInspectionOf(daemon: DaemonProcess) {
  const { admin } = (await daemon.log('accepting clients')) as unknown as DaemonAddresses;
  const url = `http://127.0.0.1:${admin!.port}/inspect`;
  const headers = { authorization: `Bearer ${CANARIES[ADMIN_TOKEN]}` };
  const looker = await look(url, '', headers);
  const names = new Map<string, string>();
  const states = (): readonly string[] =>
    looker.messages().flatMap((message) => {
      if (message.type === 'edgeproxy.actor') names.set(message.sessionId, message.name);
      if (message.type !== '@xstate.actor' && message.type !== '@xstate.snapshot') return [];
      const { value } = message.snapshot as { readonly value: unknown };
      return [`${names.get(message.sessionId)} ${JSON.stringify(value)}`];
    });
  return {
    looker,
    chartIds: () => looker.messages().flatMap(chartIdOf),
    get: async (path: string) => (await fetch(`${url}${path}`, { headers })).text(),
    /** Everything that the admin API shows, and that it says of a change that it cannot make. */
    api: async () => {
      const base = new URL('/admin/v1/', url);
      const request = async (path: string, init: { method?: string; body?: string } = {}) => {
        const json = { ...headers, 'content-type': 'application/json' };
        return (await fetch(new URL(path, base), { ...init, headers: json })).text();
      };
      const shown = ['eligible', 'backends', 'connections', 'config', 'log-level', 'openapi.json'];
      const explained = { method: 'POST', body: '{"client": "127.0.0.1"}' };
      return Promise.all([
        ...shown.map((path) => request(path)),
        request('explain', explained),
        request('plan', {
          method: 'POST',
          body: '{"file": {"path": "x", "content": "[admin]\\ntoken = 7"}}',
        }),
        request('backends/down/drain', { method: 'POST' }),
      ]);
    },
    /** Awaits that an actor of this name is told to be in this state. */
    sees: (actor: string, state: string) =>
      until(() => states().some((told) => told.startsWith(`${actor} `) && told.includes(`"${state}"`)), {
        what: `${actor} in ${state}`,
      }),
  };
}

function chartIdOf(message: InspectionMessage): readonly string[] {
  return message.type === 'edgeproxy.actor' && message.chartId !== undefined ? [message.chartId] : [];
}

const LINKS = /(?:href|src)="\/inspect(\/[^"]+)"|from '\.(\/[\w-]+\.js)'/g;

/** The page and every file that it names, directly or not. */
async function filesOf(
  get: (path: string) => Promise<string>,
  path = '',
  seen = new Set<string>(),
): Promise<readonly string[]> {
  if (seen.has(path)) return [];
  seen.add(path);
  const text = await get(path);
  const links = [...text.matchAll(LINKS)].map(([, named, imported]) => named ?? imported!);
  const linked = await Promise.all(links.map((link) => filesOf(get, link, seen)));
  return [text, ...linked.flat()];
}

describe('whoever inspects a daemon', () => {
  it('sees its actors in every state they go through, and no secret of its settings', async () => {
    const database = await aDatabase();
    const echo = await anEchoBackend();
    const daemon = await aDaemon({
      env: {
        ...NO_AFFINITY,
        ...secretEnv(database.url),
        EDGEPROXY_POSTGRES_ENABLED: 'true',
        EDGEPROXY_ADMIN_ENABLED: 'true',
        EDGEPROXY_ADMIN_LISTEN_ADDR: '127.0.0.1:0',
        EDGEPROXY_CONNECT_ATTEMPTS: '1',
        EDGEPROXY_CIRCUIT_BREAKER_ENABLED: 'true',
        EDGEPROXY_HEALTH_CHECK_ENABLED: 'true',
        EDGEPROXY_HEALTH_CHECK_INTERVAL_SECS: '1',
        // Probes leave the one that refuses to its breaker.
        EDGEPROXY_HEALTH_UNHEALTHY_THRESHOLD: '1000',
      },
    });
    const { looker, chartIds, get, api, sees } = await anInspectionOf(daemon);
    await sees('lifecycle', 'running');
    await sees('subscription', 'live');

    await putBackends(database, { id: 'up', port: echo.port });
    await untilApplied(daemon, 1);
    const client = await anEchoClient(daemon.port);
    await sees('checker:up', 'healthy');
    await putBackends(database, { id: 'down', port: await freePort() });
    await untilApplied(daemon, 2);
    await sees('breaker:down', 'closed');
    for (let failure = 0; failure < FAILURES; failure += 1) expect(await ask(daemon.port)).toBe('');
    await sees('breaker:down', 'open');

    await sees('backend:up', 'active');
    await database.query(`UPDATE backends SET deleted = 1 WHERE id = 'up'`);
    await sees('backend:up', 'draining');

    await database.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    );
    await sees('subscription', 'backingOff');
    const shown = await api();
    expect(shown[1]).toContain('"state":"open"');
    expect(shown[6]).toContain('"verdict":"circuit_open"');
    const charts = await Promise.all([...new Set(chartIds())].map((id) => get(`/charts/${id}`)));
    const served = [await get('/actors'), ...charts, ...(await filesOf(get))];
    daemon.child.kill('SIGTERM');
    await sees('lifecycle', 'draining');
    client.end();
    await daemon.exited;
    await looker.ended;

    expect([...new Set(chartIds())].map((id) => id.replace(/-\d+$/, '')).toSorted()).toEqual([
      'backend',
      'circuitBreaker',
      'healthChecker',
      'lifecycle',
      'postgresSubscription',
    ]);
    for (const chart of charts)
      expect((JSON.parse(chart) as ChartDrawing).svg).toContain('class="node state"');
    expect(served.length).toBeGreaterThan(12);

    const told = [looker.text(), ...served, ...shown, daemon.stdout(), daemon.stderr()].join('\n');
    expect(Object.keys(CANARIES)).toEqual(expect.arrayContaining([DATABASE_URL, ADMIN_TOKEN]));
    expect(
      Object.values(CANARIES)
        .flatMap(secretForms)
        .filter((form) => told.includes(form)),
    ).toEqual([]);
  });
});
