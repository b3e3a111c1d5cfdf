import { createLogger } from '../adapters/logging/logger.ts';
import type { Environment } from '../config/environment.ts';
import type { Settings } from '../config/schema.ts';
import { createDaemon, type DaemonAddresses } from '../daemon.ts';
import { packageVersion } from './version.ts';
import { readSettings } from './settings.ts';

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Runs the daemon until a signal stops it; resolves with the exit code, rejects when it cannot start. */
export async function run(configPath: string | undefined, env: Environment): Promise<number> {
  const { settings } = await readSettings(env, configPath);
  await runUntilStopped(settings);
  return 0;
}

/** Runs a daemon with these settings until SIGTERM or SIGINT has stopped it; a second signal forces. */
export async function runUntilStopped(
  settings: Settings,
  onStarted: (addresses: DaemonAddresses) => void = () => {},
): Promise<void> {
  const logger = createLogger(settings.log_level);
  const daemon = createDaemon({ settings, logger, version: packageVersion() });
  const stop = (signal: NodeJS.Signals): void => {
    logger.info({ signal }, 'stop requested');
    daemon.stop();
  };
  for (const signal of STOP_SIGNALS) process.on(signal, stop);
  try {
    const addresses = await daemon.start();
    if (addresses !== undefined) onStarted(addresses);
    await daemon.stopped;
  } finally {
    for (const signal of STOP_SIGNALS) process.off(signal, stop);
  }
}
