import { access, chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadKeptToken } from '../../src/adapters/file/kept-token.ts';
import {
  adminTokens,
  apiTokens,
  checkTokens,
  metricsTokens,
  tokensOfStateDir,
} from '../../src/composition/listener-tokens.ts';
import { loadSettings } from '../../src/config/load.ts';
import { silentLogger } from '../support/proxy.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const READ = 'read-token-of-the-tests-0123456789';
const REGISTER = 'register-token-of-the-tests-0123456789';
const ADMIN = 'admin-token-of-the-tests-0123456789';

const LOOPBACK = { EDGEPROXY_API_LISTEN_ADDR: '127.0.0.1:8081' };

const settingsOf = (env: Record<string, string>) => loadSettings(env).settings;
const asIn = (env: Record<string, string>) => {
  const settings = settingsOf(env);
  return [settings, tokensOfStateDir(settings, silentLogger)] as const;
};
const api = (env: Record<string, string>) => apiTokens(...asIn(env));

async function aFile(content: string, mode = 0o600): Promise<string> {
  const path = join(await temporaryFolder(), 'token');
  await writeFile(path, content);
  await chmod(path, mode);
  return path;
}

describe('the tokens of the registration API', () => {
  it('are none on a loopback address, unless one is set', async () => {
    expect(await api(LOOPBACK)).toEqual([]);
    expect(await api({ EDGEPROXY_API_LISTEN_ADDR: '[::1]:8081' })).toEqual([]);
    expect(await api({ ...LOOPBACK, EDGEPROXY_ADMIN_TOKEN: ADMIN })).toEqual([]);
    expect(await api({ ...LOOPBACK, EDGEPROXY_API_TOKEN: REGISTER })).toEqual([
      { role: 'register', token: REGISTER },
    ]);
  });

  it('are those of all roles that have one', async () => {
    const env = {
      EDGEPROXY_API_TOKEN: REGISTER,
      EDGEPROXY_API_READ_TOKEN: READ,
      EDGEPROXY_ADMIN_TOKEN: ADMIN,
    };
    expect(await api(env)).toEqual([
      { role: 'read', token: READ },
      { role: 'register', token: REGISTER },
      { role: 'admin', token: ADMIN },
    ]);
  });

  it('come from files, links included', async () => {
    const folder = await temporaryFolder();
    await symlink(await aFile(`${REGISTER}\n`, 0o644), join(folder, 'link'));
    const env = {
      EDGEPROXY_API_TOKEN_FILE: join(folder, 'link'),
      EDGEPROXY_API_READ_TOKEN_FILE: await aFile(READ),
      EDGEPROXY_ADMIN_TOKEN_FILE: await aFile(ADMIN),
    };
    expect((await api(env)).map(({ token }) => token)).toEqual([READ, REGISTER, ADMIN]);
    expect(await adminTokens(...asIn(env))).toEqual([{ role: 'admin', token: ADMIN }]);
  });

  it('of who registers is made where another one is asked for', async () => {
    const folder = await temporaryFolder();
    const env = { ...LOOPBACK, EDGEPROXY_API_READ_TOKEN: READ, EDGEPROXY_STATE_DIR: folder };
    const tokens = await api(env);
    const { token, isNew } = await loadKeptToken(folder, 'api');
    expect([tokens, isNew]).toEqual([
      [
        { role: 'read', token: READ },
        { role: 'register', token },
      ],
      false,
    ]);
    expect(await api({ EDGEPROXY_STATE_DIR: folder })).toEqual([{ role: 'register', token }]);
  });

  it('are not given twice, nor one for two roles', async () => {
    const file = await aFile(REGISTER);
    expect(() => settingsOf({ EDGEPROXY_API_TOKEN: REGISTER, EDGEPROXY_API_TOKEN_FILE: file })).toThrow(
      `EDGEPROXY_API_TOKEN_FILE = ${JSON.stringify(file)}: expected nothing, EDGEPROXY_API_TOKEN gives the token`,
    );
    const twice = api({ EDGEPROXY_API_TOKEN: REGISTER, EDGEPROXY_API_READ_TOKEN: REGISTER });
    await expect(twice).rejects.toMatchObject({
      code: 'ERR_SETTINGS_INVALID',
      message: expect.not.stringContaining(REGISTER),
    });
  });

  it.each([
    ['is too short', 'expected a file that holds at least 20 letters', () => aFile('hunter2\n')],
    ['is empty', 'expected a file that holds at least 20 letters', () => aFile('')],
    ['is large', 'it is too large to be a token', () => aFile('x'.repeat(5_000))],
    ['is open to others', 'its mode is 0622, so others may replace it', () => aFile(REGISTER, 0o622)],
    ['is not there', 'ENOENT', async () => join(await temporaryFolder(), 'none')],
    [
      'is a folder',
      'it is no regular file',
      async () => {
        const path = join(await temporaryFolder(), 'folder');
        await mkdir(path);
        return path;
      },
    ],
  ])('are refused when their file %s', async (_, problem, aPath) => {
    const path = await aPath();
    const loading = api({ EDGEPROXY_API_TOKEN_FILE: path });
    await expect(loading).rejects.toMatchObject({
      code: 'ERR_SETTINGS_INVALID',
      message: expect.stringContaining(`api.token_file = ${JSON.stringify(path)}: `),
    });
    await expect(loading).rejects.toThrow(problem);
    await expect(loading).rejects.not.toThrow('hunter2');
  });
});

const admin = (env: Record<string, string>) => adminTokens(...asIn(env));

describe('the tokens of the admin listener', () => {
  it('are none on a loopback address, unless one is set', async () => {
    expect(await admin({})).toEqual([]);
    expect(await admin({ EDGEPROXY_ADMIN_TOKEN: ADMIN })).toEqual([{ role: 'admin', token: ADMIN }]);
  });

  it('are those of both roles, and for the higher one made where only the lower one is set', async () => {
    const both = { EDGEPROXY_ADMIN_TOKEN: ADMIN, EDGEPROXY_ADMIN_READ_TOKEN_FILE: await aFile(READ) };
    expect(await admin(both)).toEqual([
      { role: 'read', token: READ },
      { role: 'admin', token: ADMIN },
    ]);
    const folder = await temporaryFolder();
    const tokens = await admin({ EDGEPROXY_ADMIN_READ_TOKEN: READ, EDGEPROXY_STATE_DIR: folder });
    const { token, isNew } = await loadKeptToken(folder, 'admin');
    expect([tokens, isNew]).toEqual([
      [
        { role: 'read', token: READ },
        { role: 'admin', token },
      ],
      false,
    ]);
  });

  it('are not one for both roles', async () => {
    const twice = admin({ EDGEPROXY_ADMIN_TOKEN: ADMIN, EDGEPROXY_ADMIN_READ_TOKEN: ADMIN });
    await expect(twice).rejects.toMatchObject({
      code: 'ERR_SETTINGS_INVALID',
      message: expect.not.stringContaining(ADMIN),
    });
  });
});

const metrics = (env: Record<string, string>) => metricsTokens(...asIn(env));

describe('the tokens of the metrics listener', () => {
  it('are none on any address, unless one is set', async () => {
    expect(await metrics({})).toEqual([]);
    expect(await metrics({ EDGEPROXY_ADMIN_TOKEN: ADMIN })).toEqual([]);
    const local = {
      EDGEPROXY_METRICS_LISTEN_ADDR: '127.0.0.1:9090',
      EDGEPROXY_METRICS_TOKEN_REQUIRED: 'true',
    };
    expect(await metrics(local)).toEqual([]);
    expect(await metrics({ ...local, EDGEPROXY_METRICS_TOKEN: READ, EDGEPROXY_ADMIN_TOKEN: ADMIN })).toEqual([
      { role: 'read', token: READ },
      { role: 'admin', token: ADMIN },
    ]);
  });

  it('are made where other machines reach it and the settings demand one', async () => {
    const folder = await temporaryFolder();
    const env = { EDGEPROXY_METRICS_TOKEN_REQUIRED: 'true', EDGEPROXY_STATE_DIR: folder };
    const tokens = await metrics(env);
    const { token, isNew } = await loadKeptToken(folder, 'metrics');
    expect([tokens, isNew]).toEqual([[{ role: 'read', token }], false]);
  });
});

describe('a check of tokens', () => {
  it('makes none, and reads the files of listeners that are on', async () => {
    const env = {
      EDGEPROXY_STATE_DIR: join(await temporaryFolder(), 'absent'),
      EDGEPROXY_API_ENABLED: 'true',
      EDGEPROXY_METRICS_TOKEN_FILE: '/absent',
    };
    await checkTokens(settingsOf(env));
    await expect(access(env.EDGEPROXY_STATE_DIR)).rejects.toThrow('ENOENT');
    await expect(checkTokens(settingsOf({ ...env, EDGEPROXY_METRICS_ENABLED: 'true' }))).rejects.toThrow(
      'metrics.token_file = "/absent"',
    );
  });
});
