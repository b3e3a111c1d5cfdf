import { createLogger } from '../adapters/logging/logger.ts';
import type { Environment } from '../config/environment.ts';
import type { LoadedSettings } from '../config/load.ts';
import { createDaemon, type DaemonAddresses } from '../daemon.ts';
import { packageVersion } from './version.ts';
import { readSettings } from './settings.ts';

/** Runs the daemon until a signal stops it; resolves with the exit code, rejects when it cannot start. */
export async function run(configPath: string | undefined, env: Environment): Promise<number> {
  const loaded = await readSettings(env, configPath);
  await runUntilStopped(loaded, { hangUp: 'ignore', onStarted: () => {} });
  return 0;
}

export interface RunOptions {
  /** What SIGHUP does: a daemon goes on, a program in a terminal ends with it. */
  readonly hangUp: 'ignore' | 'stop';
  readonly onStarted: (addresses: DaemonAddresses) => void;
}

/** Runs a daemon with these settings until SIGTERM or SIGINT has stopped it; a second signal forces. */
export async function runUntilStopped(
  loaded: LoadedSettings,
  { hangUp, onStarted }: RunOptions,
): Promise<void> {
  const { settings, warnings } = loaded;
  const logger = createLogger(settings.log_level);
  for (const problem of warnings) logger.warn({ problem }, 'a setting has no effect');
  const daemon = await createDaemon({ settings, logger, version: packageVersion() });
  const stop = (signal: NodeJS.Signals): void => {
    logger.info({ signal }, 'stop requested');
    daemon.stop();
  };
  const handlers: readonly (readonly [NodeJS.Signals, (signal: NodeJS.Signals) => void])[] = [
    ['SIGTERM', stop],
    ['SIGINT', stop],
    // Its default would end the process without a drain.
    [
      'SIGHUP',
      hangUp === 'stop' ? stop : () => logger.warn({}, 'reloading is not available yet, SIGHUP ignored'),
    ],
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
