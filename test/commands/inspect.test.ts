import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inspect } from '../../src/commands/inspect.ts';
import type { Environment } from '../../src/config/environment.ts';
import { loadKeptToken } from '../../src/adapters/file/kept-token.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const run = (env: Environment): Promise<string> =>
  inspect(undefined, { EDGEPROXY_ADMIN_ENABLED: 'true', ...env });

describe('edgeproxy inspect', () => {
  it.each([
    ['127.0.0.1:8082', 'http://127.0.0.1:8082/inspect'],
    ['[::1]:1', 'http://[::1]:1/inspect'],
    ['[::ffff:127.0.0.1]:1', 'http://127.0.0.1:1/inspect'],
  ])('prints where %s is asked', async (address, url) => {
    expect(await run({ EDGEPROXY_ADMIN_LISTEN_ADDR: address })).toBe(url);
  });

  it.each([
    ['0.0.0.0:8082', '127.0.0.1:8082'],
    ['[::]:8082', '[::1]:8082'],
    ['[0:0:0:0:0:0:0:0]:8082', '[::1]:8082'],
    ['[::0]:8082', '[::1]:8082'],
    ['[::ffff:0.0.0.0]:8082', '127.0.0.1:8082'],
    ['192.0.2.1:8082', '192.0.2.1:8082'],
  ])('prints where %s is asked with a token, and the file that holds it', async (address, at) => {
    const stateDir = await temporaryFolder();
    const { path } = await loadKeptToken(stateDir, 'admin');
    const text = await run({ EDGEPROXY_ADMIN_LISTEN_ADDR: address, EDGEPROXY_STATE_DIR: stateDir });
    expect(text).toBe(`http://${at}/inspect#token=TOKEN\nTOKEN is in ${path}.`);
  });

  it('names the file in the state folder of this user, and the setting where that gives the token', async () => {
    const env = { EDGEPROXY_ADMIN_LISTEN_ADDR: '0.0.0.0:8082' };
    expect(await run(env)).toContain(join('edgeproxy', 'admin-token'));
    const token = 'a-token-of-the-tests-0123456789';
    const given = await run({ ...env, EDGEPROXY_ADMIN_TOKEN: token });
    expect(given).toMatch(/EDGEPROXY_ADMIN_TOKEN\.$/);
    expect(given).not.toContain(token);
  });

  it('says which line of a file gives the token, or switches the listener off', async () => {
    const config = join(await temporaryFolder(), 'edge.toml');
    const admin = (lines: string) => writeFile(config, `[admin]\n${lines}`);
    await admin('enabled = true\ntoken = "a-token-of-the-tests-0123456789"\n');
    expect(await inspect(config, {})).toMatch(`TOKEN is that of ${config}:3: admin.token.`);
    await admin('enabled = false\n');
    await expect(inspect(config, {})).rejects.toThrow(`${config}:2: admin.enabled = false: expected true`);
  });

  it('says what to switch on', async () => {
    await expect(run({ EDGEPROXY_ADMIN_ENABLED: 'false' })).rejects.toMatchObject({
      code: 'ERR_SETTINGS_INVALID',
      message: expect.stringContaining('EDGEPROXY_ADMIN_ENABLED'),
    });
  });
});
