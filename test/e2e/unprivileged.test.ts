import { execFileSync } from 'node:child_process';
import { chown, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DaemonAddresses } from '../../src/daemon.ts';
import { aDaemon, aNamedBackend, ask, untilAnswered } from '../support/edge.ts';
import { askApi } from '../support/registration.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const NOBODY = 65_534;

/** Drops to a user that may nothing, for good; only root can, and only with the tool for it. */
const UNDER = [
  'setpriv',
  `--reuid=${NOBODY}`,
  `--regid=${NOBODY}`,
  '--clear-groups',
  '--no-new-privs',
  '--inh-caps=-all',
  '--bounding-set=-all',
];

function canDrop(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    // The project may be where that user cannot read it.
    execFileSync(UNDER[0]!, [...UNDER.slice(1), process.execPath, '--version'], { stdio: 'ignore' });
    execFileSync(UNDER[0]!, [
      ...UNDER.slice(1),
      'test',
      '-r',
      new URL('../../src/cli.ts', import.meta.url).pathname,
    ]);
    return true;
  } catch {
    return false;
  }
}

describe.runIf(canDrop())('a daemon of an unprivileged user', () => {
  it.each(['epoll', 'net'])(
    'serves with every listener on the %s engine, and keeps its state',
    async (engine) => {
      const stateDir = await temporaryFolder();
      await chown(stateDir, NOBODY, NOBODY);
      const backend = await aNamedBackend('a');
      const daemon = await aDaemon({
        stateDir,
        under: UNDER,
        env: {
          EDGEPROXY_ENGINE: engine,
          EDGEPROXY_API_ENABLED: 'true',
          EDGEPROXY_API_LISTEN_ADDR: '127.0.0.1:0',
          EDGEPROXY_ADMIN_ENABLED: 'true',
          EDGEPROXY_ADMIN_LISTEN_ADDR: '0.0.0.0:0',
        },
      });
      const status = await readFile(`/proc/${daemon.child.pid}/status`, 'utf8');
      expect(status).toMatch(/^Uid:\t65534\t65534\t65534\t65534$/m);
      expect(status).toMatch(/^CapEff:\t0+$/m);
      expect(status).toMatch(/^CapBnd:\t0+$/m);
      const { admin, api } = (await daemon.log('accepting clients')) as unknown as DaemonAddresses;
      const body = { id: 'a', app: 'x', region: 'sa', ip: '127.0.0.1', port: backend.port };
      expect((await askApi(api!.port, '/api/v1/register', { body })).status).toBe(201);
      await untilAnswered(daemon.port, 'a');
      const tokenPath = join(stateDir, 'admin-token');
      const token = (await readFile(tokenPath, 'utf8')).trim();
      const asked = { headers: { authorization: `Bearer ${token}` } };
      expect((await askApi(admin!.port, '/admin/v1/backends', asked)).status).toBe(200);
      expect(await daemon.metric('edgeproxy_backends_eligible')).toBe(1);
      const files = [tokenPath, join(stateDir, 'registrations-127.0.0.1_0.json')];
      const stats = await Promise.all(files.map((path) => stat(path)));
      expect(stats.map(({ uid, mode }) => [uid, mode & 0o777])).toEqual([
        [NOBODY, 0o600],
        [NOBODY, 0o600],
      ]);
      expect(await ask(daemon.port)).toBe('a');
      daemon.child.kill('SIGTERM');
      expect(await daemon.exited).toEqual({ code: 0, signal: null });
    },
  );
});
