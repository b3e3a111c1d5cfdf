import { createLogger } from '../adapters/logging/logger.ts';
import type { Environment } from '../config/environment.ts';
import { withStartRows } from '../composition/start-rows.ts';
import type { Configuration } from '../config/configuration.ts';
import { createDaemon, type DaemonAddresses } from '../daemon.ts';
import { packageVersion } from './version.ts';
import { readConfiguration } from './settings.ts';

/** Runs the daemon until a signal stops it; resolves with the exit code, rejects when it cannot start. */
export async function run(configPath: string | undefined, env: Environment): Promise<number> {
  const base = await readConfiguration(env, configPath);
  const configuration = await withStartRows(base, createLogger(base.inForce.log_level));
  await runUntilStopped(configuration, { hangUp: 'reload', onStarted: () => {} });
  return 0;
}

export interface RunOptions {
  /** What SIGHUP does: a daemon reads its configuration, a program in a terminal ends with it. */
  readonly hangUp: 'reload' | 'stop';
  readonly onStarted: (addresses: DaemonAddresses) => void;
}

/** Runs a daemon with this configuration until SIGTERM or SIGINT has stopped it; a second signal forces. */
export async function runUntilStopped(
  configuration: Configuration,
  { hangUp, onStarted }: RunOptions,
): Promise<void> {
  const { settings, warnings } = configuration.wanted;
  const logger = createLogger(settings.log_level);
  for (const problem of warnings) logger.warn({ problem }, 'a setting has no effect');
  const daemon = await createDaemon({ settings, configuration, logger, version: packageVersion() });
  const stop = (signal: NodeJS.Signals): void => {
    logger.info({ signal }, 'stop requested');
    daemon.stop();
  };
  const reload = (signal: NodeJS.Signals): void => {
    logger.info({ signal }, 'reload requested');
    if (!daemon.reload())
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
    const addresses = await daemon.start();
    if (addresses !== undefined) onStarted(addresses);
    // What is still open would keep the process alive.
    if ((await daemon.stopped) === 'abandoned') process.exit(0);
  } finally {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  }
}
