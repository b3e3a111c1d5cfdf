import { createLogger } from '../adapters/logging/logger.ts';
import type { Environment } from '../config/environment.ts';
import { withStartRows } from '../composition/start-rows.ts';
import type { Configuration } from '../config/configuration.ts';
import { naming } from '../config/origin.ts';
import { createDaemon, type Daemon, type DaemonAddresses } from '../daemon.ts';
import { packageVersion } from './version.ts';
import { readConfiguration } from './settings.ts';

/** Runs the daemon until a signal stops it; resolves with the exit code, rejects when it cannot start. */
export async function run(configPath: string | undefined, env: Environment): Promise<number> {
  const base = await readConfiguration(env, configPath);
  await runUntilStopped(base, { hangUp: 'reload', onStarted: () => {} });
  return 0;
}

export interface RunOptions {
  /** What SIGHUP does: a daemon reads its configuration, a program in a terminal ends with it. */
  readonly hangUp: 'reload' | 'stop';
  readonly onStarted: (addresses: DaemonAddresses) => void;
}

/**
 * Runs a daemon until SIGTERM or SIGINT has stopped it; a second signal forces.
 *
 * @param base what the environment and the file say; the settings in SQL are read first of all
 */
export async function runUntilStopped(base: Configuration, { hangUp, onStarted }: RunOptions): Promise<void> {
  const logger = createLogger(base.inForce.log_level);
  /** A stop that comes before there is a daemon. */
  const early = new AbortController();
  let isReloadAsked = false;
  let daemon: Daemon | undefined;
  const stop = (signal: NodeJS.Signals): void => {
    logger.info({ signal }, 'stop requested');
    if (daemon === undefined) early.abort();
    else daemon.stop();
  };
  const reload = (signal: NodeJS.Signals): void => {
    logger.info({ signal }, 'reload requested');
    isReloadAsked = daemon === undefined;
    if (daemon?.reload() === false)
      logger.warn({}, 'nothing to reload: no --config, no EDGEPROXY_CONFIG, and no database');
  };
  const handlers: readonly (readonly [NodeJS.Signals, (signal: NodeJS.Signals) => void])[] = [
    ['SIGTERM', stop],
    ['SIGINT', stop],
    // Its default would end the process without a drain.
    ['SIGHUP', hangUp === 'stop' ? stop : reload],
  ];
  for (const [signal, handler] of handlers) process.on(signal, handler);
  try {
    const configuration = await naming(base.origins, () => withStartRows(base, logger, early.signal));
    const { settings, warnings } = configuration.wanted;
    logger.level = settings.log_level;
    for (const problem of warnings) logger.warn({ problem }, 'a setting has no effect');
    const { origins } = configuration;
    const options = { settings, configuration, logger, version: packageVersion() };
    const composed = await naming(origins, () => createDaemon(options));
    daemon = composed;
    const starting = naming(origins, () => composed.start());
    if (early.signal.aborted) daemon.stop();
    if (isReloadAsked) daemon.reload();
    const addresses = await starting;
    if (addresses !== undefined) onStarted(addresses);
    // What is still open would keep the process alive.
    if ((await daemon.stopped) === 'abandoned') process.exit(0);
  } finally {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  }
}
