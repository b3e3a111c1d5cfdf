import { defaultStateDir } from '../adapters/file/state-dir.ts';
import { registrationsPath } from '../adapters/file/registrations-file.ts';
import { switchedOffPath } from '../adapters/file/switched-off-file.ts';
import { RowSwitch } from '../adapters/postgres/backend-switch.ts';
import { PostgresRegistrar } from '../adapters/postgres/registrar.ts';
import type { Metrics } from '../adapters/prometheus/metrics.ts';
import type { RegistrationMetrics } from '../adapters/prometheus/registration-metrics.ts';
import type { Settings } from '../config/schema.ts';
import type { BackendSwitch } from '../domain/backend-switch.ts';
import type { Logger } from '../domain/ports.ts';
import type { Registrar, RegistrationWitness } from '../domain/registration.ts';
import { type BackendSource, staticBackends } from './backend-source.ts';
import { FileRegistrar } from './file-registrar.ts';
import { LocalSwitch } from './local-switch.ts';
import { postgresBackends } from './postgres-backends.ts';
import { RegistrationSweeper } from './registration-sweeper.ts';
import { systemNow } from './system-clock.ts';

/** What the registration API works on. */
export interface Registration {
  readonly registrar: Registrar;
  readonly witness: RegistrationWitness;
  readonly metrics: RegistrationMetrics;
  /** Silence that takes a backend out, from now on; in a database, from its next heartbeat on. */
  readonly setTtl: (secs: number) => void;
}

export interface Sources {
  readonly source: BackendSource;
  /** Takes backends of the source out, and in again. */
  readonly backendSwitch: BackendSwitch;
  /** Absent while the registration API is off. */
  readonly registration: Registration | undefined;
  /** Takes over the backends of the file, where they come from there. */
  readonly follow: (settings: Settings) => void;
}

/**
 * Where the wanted backends come from: the database or the file, and, where the API is on, backends themselves; with
 * the switch of their owner, which is in the rows where there are rows.
 */
export function createSource(settings: Settings, logger: Logger, metrics: Metrics): Sources {
  const wanted = createWanted(settings, logger, metrics);
  const { source } = wanted;
  if (source.database !== undefined) return { ...wanted, backendSwitch: new RowSwitch(source.database.pool) };
  const path = switchedOffPath(settings.state_dir ?? defaultStateDir(), settings.listen_addr);
  const backendSwitch = new LocalSwitch(path, logger);
  const backends$ = backendSwitch.appliedTo(source.backends$);
  const start = async (): Promise<void> => {
    await backendSwitch.load();
    await source.start();
  };
  return { ...wanted, backendSwitch, source: { ...source, backends$, start } };
}

function createWanted(settings: Settings, logger: Logger, metrics: Metrics): Omit<Sources, 'backendSwitch'> {
  const fixed = settings.postgres.enabled ? undefined : staticBackends(settings);
  const source: BackendSource = fixed ?? postgresBackends(settings, logger, metrics);
  const follow = (next: Settings): void => fixed?.follow(next);
  if (!settings.api.enabled) return { source, registration: undefined, follow };
  let ttlSecs = settings.heartbeat_ttl_secs;
  const ttlMs = (): number => ttlSecs * 1000;
  const setTtl = (secs: number): void => void (ttlSecs = secs);
  if (source.database !== undefined) {
    const registrar = new PostgresRegistrar({ pool: source.database.pool, ttlSecs: () => ttlSecs });
    return { ...withSweeper({ source, registrar, ttlMs, setTtl, logger, metrics }), follow };
  }
  const registrar = new FileRegistrar({
    path: registrationsPath(settings.state_dir ?? defaultStateDir(), settings.api.listen_addr),
    ttlMs,
    logger,
    now: systemNow,
    wallClock: () => Date.now(),
  });
  const merged: BackendSource = {
    ...source,
    backends$: registrar.mergedWith(source.backends$),
    async start() {
      await source.start();
      await registrar.load();
    },
    async stop() {
      await registrar.flush();
      await source.stop();
    },
  };
  return { ...withSweeper({ source: merged, registrar, ttlMs, setTtl, logger, metrics }), follow };
}

interface SweptSource extends Pick<Registration, 'registrar' | 'setTtl'> {
  readonly source: BackendSource;
  readonly ttlMs: () => number;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** Sweeps for as long as the source is watched, beginning when its first answer is there. */
function withSweeper({
  source,
  registrar,
  ttlMs,
  setTtl,
  logger,
  metrics,
}: SweptSource): Pick<Sources, 'source' | 'registration'> {
  const numbers = metrics.registrations(() => registrar.count);
  const witness = auditor(logger, numbers);
  const sweeper = new RegistrationSweeper({ registrar, witness, ttlMs, logger, now: systemNow });
  let isStopped = false;
  return {
    registration: { registrar, witness, metrics: numbers, setTtl },
    source: {
      ...source,
      async start() {
        await source.start();
        if (!isStopped) sweeper.start();
      },
      async stop() {
        isStopped = true;
        await Promise.all([sweeper.stop(), source.stop()]);
      },
    },
  };
}

/** A line for every change, with who made it: an address and a role, or silence. */
function auditor(logger: Logger, metrics: RegistrationMetrics): RegistrationWitness {
  return {
    changed(change, backend, by) {
      metrics.changed(change);
      const line = { change, backend, ...(by ?? { address: null, role: 'silence' }) };
      if (change === 'expired' || change === 'removed') logger.warn(line, 'registration changed');
      else logger.info(line, 'registration changed');
    },
    beat: (result) => metrics.beat(result),
  };
}
