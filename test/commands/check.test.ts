import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { check } from '../../src/commands/check.ts';
import type { Environment } from '../../src/config/environment.ts';
import { aPair, writePair } from '../support/certificates.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { filesOf, TLS_ON } from '../support/tls.ts';

const run = (env: Environment, config?: string): Promise<string> => check({ config, schema: false }, env);

const pair = await aPair();

const good = async (): Promise<Environment> => ({
  ...TLS_ON,
  ...filesOf(await writePair(await temporaryFolder(), pair)),
});

describe('edgeproxy check', () => {
  it('approves certificates that a start can use', async () => {
    expect(await run(await good())).toContain('EDGEPROXY_TLS_CERT');
    expect(await run({ ...TLS_ON, EDGEPROXY_TLS_SELF_SIGNED: 'true' })).toContain(
      'EDGEPROXY_TLS_SELF_SIGNED',
    );
  });

  it.each([
    [{ EDGEPROXY_TLS_CERT: '/absent.crt' }, 'EDGEPROXY_TLS_CERT = "/absent.crt": cannot be read'],
    [{ EDGEPROXY_TLS_KEY: '/absent.key' }, 'EDGEPROXY_TLS_KEY = "/absent.key": cannot be read'],
    [
      { EDGEPROXY_TLS_CLIENT_AUTH: 'required', EDGEPROXY_TLS_CLIENT_CA: '/absent.ca' },
      'EDGEPROXY_TLS_CLIENT_CA = "/absent.ca": cannot be read',
    ],
    [{ EDGEPROXY_TLS_CIPHERS: 'NONE' }, 'EDGEPROXY_TLS_CIPHERS'],
  ])('refuses what a start could not read: case %#', async (env, message) => {
    await expect(run({ ...(await good()), ...env })).rejects.toMatchObject({
      code: 'ERR_TLS',
      exitCode: 1,
      message: expect.stringContaining(message),
    });
  });

  it('refuses a certificate that has expired, and a further one that is absent', async () => {
    const folder = await temporaryFolder();
    const old = await writePair(folder, await aPair({ days: -1 }));
    await expect(run({ ...TLS_ON, ...filesOf(old) })).rejects.toThrow('expired');
    const config = join(folder, 'edge.toml');
    await writeFile(config, '[[tls.certificates]]\ncert = "/absent.crt"\nkey = "/absent.key"\n');
    await expect(run(await good(), config)).rejects.toThrow(
      'tls.certificates[0].cert = "/absent.crt": cannot be read',
    );
  });

  it('reads no certificate for a listener that is off or leaves TLS to backends', async () => {
    const absent = {
      ...filesOf({ cert: '/absent.crt', key: '/absent.key' }),
      EDGEPROXY_TLS_DEFAULT_APP: 'web',
    };
    expect(await run(absent)).toContain('/absent.crt');
    expect(await run({ ...TLS_ON, ...absent, EDGEPROXY_TLS_MODE: 'passthrough' })).toContain('/absent.key');
  });

  it('cuts the middle out of long values where it is told to, and never their origin', async () => {
    const env = { EDGEPROXY_STATE_DIR: `/${'long/'.repeat(80)}end` };
    expect(await run(env)).toContain(env.EDGEPROXY_STATE_DIR);
    const text = await check({ config: undefined, schema: false, longest: 48 }, env);
    expect(text).toMatch(/^state_dir +\/long\/\S+…\S+\/end +EDGEPROXY_STATE_DIR$/m);
    expect(Math.max(...text.split('\n').map(({ length }) => length))).toBeLessThan(140);
  });

  it.each([
    ['[geoip]\npath = "/absent.mmdb"\n', '2: geoip.path = "/absent.mmdb": the GeoIP database cannot be used'],
    ['[admin]\nenabled = true\ntoken_file = "/absent"\n', '3: admin.token_file = "/absent": cannot be used'],
    [
      '[postgres]\nenabled = true\nurl = "postgres://h/d?connect_timeout=1"\n',
      '3: postgres.url has the parameter connect_timeout',
    ],
    [
      '[tls]\nenabled = true\ncert = "/absent.crt"\nkey = "/absent.key"\n',
      '3: tls.cert = "/absent.crt": cannot be read',
    ],
  ])('calls a setting as where it was given, not by its variable: case %#', async (content, message) => {
    const config = join(await temporaryFolder(), 'edge.toml');
    await writeFile(config, content);
    await expect(run({}, config)).rejects.toThrow(`${config}:${message}`);
  });

  it('refuses a token file that is absent', async () => {
    const env = { EDGEPROXY_ADMIN_ENABLED: 'true', EDGEPROXY_ADMIN_TOKEN_FILE: '/absent' };
    await expect(run(env)).rejects.toThrow('EDGEPROXY_ADMIN_TOKEN_FILE = "/absent"');
  });
});
