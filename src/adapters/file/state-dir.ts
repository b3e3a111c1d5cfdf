import { homedir } from 'node:os';
import { posix, win32 } from 'node:path';

/** What the default of a folder depends on. */
export interface HostSystem {
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isRoot: boolean;
  readonly home: string;
}

const currentSystem = (): HostSystem => ({
  platform: process.platform,
  env: process.env,
  isRoot: process.getuid?.() === 0,
  home: homedir(),
});

/**
 * The folder for state that a daemon keeps over restarts, where the operating system wants it.
 *
 * A relative `XDG_STATE_HOME` counts as unset, as the XDG Base Directory Specification demands.
 */
export function defaultStateDir(system: HostSystem = currentSystem()): string {
  const { platform, env, isRoot, home } = system;
  switch (platform) {
    case 'win32':
      return win32.join(env['LOCALAPPDATA'] || win32.join(home, 'AppData', 'Local'), 'edgeproxy');
    case 'darwin':
      return posix.join(home, 'Library', 'Application Support', 'edgeproxy');
    default: {
      if (platform === 'linux' && isRoot) return '/var/lib/edgeproxy';
      const stateHome = env['XDG_STATE_HOME'] ?? '';
      return posix.join(
        posix.isAbsolute(stateHome) ? stateHome : posix.join(home, '.local', 'state'),
        'edgeproxy',
      );
    }
  }
}
