import { onTestFinished } from 'vitest';
import type { AppliedSettings } from '../../src/composition/apply-settings.ts';
import { changeBetween } from '../../src/config/diff.ts';
import { loadSettings } from '../../src/config/load.ts';
import type { Settings } from '../../src/config/schema.ts';
import { createDaemon, type Daemon, type DaemonAddresses } from '../../src/daemon.ts';
import type { LeveledLogger } from '../../src/domain/ports.ts';
import type { Env, LogLine } from './daemon.ts';

/** What is set beside the defaults; each call of `change` adds to it. */
export interface Given {
  readonly env?: Env;
  readonly backends?: readonly { readonly id: string; readonly port: number; readonly more?: string }[];
  /** Other tables of the file. */
  readonly toml?: string;
}

/** A daemon in the process of the test, whose settings the test changes. */
export interface OwnDaemon {
  readonly daemon: Daemon;
  readonly addresses: DaemonAddresses;
  readonly port: number;
  readonly logs: readonly Pick<LogLine, 'level' | 'msg'>[];
  change(given: Given): Promise<AppliedSettings>;
  /** The value of a series of the metrics listener. */
  metric(series: string): Promise<number | undefined>;
}

/** The variable that says which engine own daemons have where they do not say it. */
export const ENGINE_UNDER_TEST = 'ENGINE_UNDER_TEST';

const LEVELS = ['error', 'warn', 'info', 'debug'] as const;

function aLogger(level: string): LeveledLogger & { readonly lines: Pick<LogLine, 'level' | 'msg'>[] } {
  const lines: Pick<LogLine, 'level' | 'msg'>[] = [];
  const at = (own: (typeof LEVELS)[number]) => (fields: object, msg: string) => {
    if (LEVELS.findIndex((name) => name === logger.level) >= LEVELS.indexOf(own))
      lines.push({ ...fields, level: own, msg });
  };
  const logger = { level, lines, error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
  return logger;
}

function settingsOf({ env, backends = [], toml = '' }: Given): Settings {
  const tables = backends.map(
    ({ id, port, more = '' }) =>
      `[[backends]]\nid = "${id}"\napp = "x"\nwg_ip = "127.0.0.1"\nport = ${port}\n${placed(more)}\n`,
  );
  return loadSettings(
    {
      EDGEPROXY_LISTEN_ADDR: '127.0.0.1:0',
      EDGEPROXY_METRICS_ENABLED: 'true',
      EDGEPROXY_METRICS_LISTEN_ADDR: '127.0.0.1:0',
      EDGEPROXY_BINDING_TTL_SECS: '0',
      EDGEPROXY_ENGINE: process.env[ENGINE_UNDER_TEST] ?? 'net',
      EDGEPROXY_THREADS: '2',
      ...env,
    },
    { path: 'edge.toml', content: `${tables.join('\n')}\n${toml}` },
  ).settings;
}

/** With a place of its own, or near. */
function placed(more: string): string {
  return more.includes('region') ? more : `region = "sa"\ncountry = "BR"\n${more}`;
}

/** Starts a daemon on free ports of the loopback address, on the portable engine and without affinity by default. */
export async function anOwnDaemon(first: Given): Promise<OwnDaemon> {
  let given = first;
  let settings = settingsOf(given);
  const logger = aLogger(settings.log_level);
  const daemon = await createDaemon({ settings, logger, version: '0.0.0' });
  const addresses = (await daemon.start())!;
  onTestFinished(async () => {
    for (let time = 0; time < 2; time++)
      if (daemon.lifecycle.getSnapshot().status === 'active') daemon.stop();
    await daemon.stopped;
  });
  return {
    daemon,
    addresses,
    port: addresses.proxy.port,
    logs: logger.lines,
    async change({ env = {}, ...others }) {
      given = { ...given, ...others, env: { ...given.env, ...env } };
      const applied = await daemon.applySettings(changeBetween(settings, settingsOf(given)));
      settings = applied.settings;
      return applied;
    },
    async metric(series) {
      const text = await (await fetch(`http://127.0.0.1:${addresses.metrics!.port}/metrics`)).text();
      const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
      return line === undefined ? undefined : Number(line.slice(series.length + 1));
    },
  };
}
