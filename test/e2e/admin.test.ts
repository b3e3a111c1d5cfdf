import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { DaemonAddresses } from '../../src/daemon.ts';
import { getFrom } from '../support/an-inspection.ts';
import { runCli } from '../support/daemon.ts';
import { aDaemon } from '../support/edge.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const TOKEN = 'a-token-of-the-tests-0123456789';

describe('a daemon with an admin listener', () => {
  it('serves the names of its settings, and logs who asks under another one or without the token', async () => {
    const daemon = await aDaemon({
      env: {
        EDGEPROXY_ADMIN_ENABLED: 'true',
        EDGEPROXY_ADMIN_LISTEN_ADDR: '127.0.0.1:0',
        EDGEPROXY_ADMIN_TOKEN: TOKEN,
        EDGEPROXY_ADMIN_HOSTS: 'edge.example, proxy.internal:8443',
      },
    });
    const { admin } = (await daemon.log('accepting clients')) as unknown as DaemonAddresses;
    const statusOf = async (host: string, headers = {}) =>
      (await getFrom(admin!, '/inspect/actors', { host, ...headers })).status;
    const authorized = { authorization: `Bearer ${TOKEN}` };
    const hosts = ['edge.example', 'edge.example:9', 'proxy.internal:8443', 'localhost:1', 'evil.example'];
    const statuses = await Promise.all(hosts.map((host) => statusOf(host, authorized)));
    expect(statuses).toEqual([200, 200, 200, 200, 403]);
    expect(await daemon.log('admin request refused')).toMatchObject({ level: 'warn', host: 'evil.example' });
    expect(await statusOf('localhost', { authorization: `Bearer ${TOKEN}x` })).toBe(401);
    expect(await daemon.log('admin request without the token')).toMatchObject({
      level: 'warn',
      address: '127.0.0.1',
      reason: 'wrong token',
    });
    expect(daemon.stdout()).not.toContain(TOKEN);
  });

  it('does not start on a token file that it cannot use, exit 1', async () => {
    const stateDir = await temporaryFolder();
    const path = join(stateDir, 'admin-token');
    await promisify(execFile)('mkfifo', ['-m', '600', path]);
    const { code, stderr } = await runCli(['run'], {
      EDGEPROXY_LISTEN_ADDR: '127.0.0.1:0',
      EDGEPROXY_ADMIN_ENABLED: 'true',
      EDGEPROXY_ADMIN_LISTEN_ADDR: '0.0.0.0:0',
      EDGEPROXY_STATE_DIR: stateDir,
    });
    expect([code, stderr]).toEqual([
      1,
      `edgeproxy: the admin token in ${path} cannot be used: it is no regular file; remove it for a new one\n`,
    ]);
  });
});
