import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  loadRegistrations,
  registrationsPath,
  saveRegistrations,
} from '../../../src/adapters/file/registrations-file.ts';
import { aBackend } from '../../support/backends.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const aPath = async () => join(await temporaryFolder(), 'state', 'registrations.json');

describe('the file of registrations', () => {
  it('gives back what was saved, for this user alone', async () => {
    const path = await aPath();
    const registrations = [
      { backend: aBackend({ id: 'a', host: '2001:db8::1' }), registeredAtMs: 1_700_000_000_000 },
      { backend: aBackend({ id: 'b', expired: true }), registeredAtMs: 1 },
    ];
    await saveRegistrations(path, registrations);
    expect(await loadRegistrations(path)).toEqual({ registrations, skipped: [] });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('is undefined where there is none', async () => {
    expect(await loadRegistrations(await aPath())).toBeUndefined();
  });

  it('is another one for another listener', () => {
    const paths = ['0.0.0.0:8081', '127.0.0.1:8081', '[::1]:8081'].map((at) =>
      registrationsPath('/state', at),
    );
    expect(paths).toEqual([
      '/state/registrations-0.0.0.0_8081.json',
      '/state/registrations-127.0.0.1_8081.json',
      '/state/registrations-___1__8081.json',
    ]);
  });

  it.each(['', '{', '[]', '{"format":"edgeproxy-registrations-2","registrations":[]}'])(
    'is refused when it is damaged: %j',
    async (content) => {
      const path = join(await temporaryFolder(), 'registrations.json');
      await writeFile(path, content);
      await expect(loadRegistrations(path)).rejects.toMatchObject({
        code: 'ERR_STATE_DIR',
        message: expect.stringContaining(`the registrations in ${path} cannot be used`),
      });
    },
  );

  it('names a row that cannot be read, and gives back the others', async () => {
    const path = join(await temporaryFolder(), 'registrations.json');
    const good = { backend: aBackend({ id: 'a' }), registeredAtMs: 1 };
    await saveRegistrations(path, [good, { backend: aBackend({ id: 'b', port: 0 }), registeredAtMs: 1 }]);
    expect(await loadRegistrations(path)).toEqual({
      registrations: [good],
      skipped: [{ id: 'b', problems: ['port = 0: expected a port, 1 to 65535'] }],
    });
  });
});
