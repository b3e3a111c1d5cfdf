import { chmod, readdir } from 'node:fs/promises';
import { expect, it, onTestFinished } from 'vitest';
import { type CliProcess, runCli, spawnCli } from '../support/daemon.ts';
import { descendantsOf, isAlive } from '../support/process-tree.ts';
import { httpGet, tcpConnect } from '../support/sockets.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { until } from '../support/until.ts';

/** The demo, with all its temporary files in a folder of the test. */
async function aDemo() {
  const folder = await temporaryFolder();
  await chmod(folder, 0o777);
  const demo = spawnCli(['demo'], { TMPDIR: folder });
  onTestFinished(async () => {
    demo.child.kill('SIGKILL');
    await demo.exited;
    await until(async () => !(await hasDatabase(folder)), { what: 'the database of the demo to be gone' });
  });
  return { demo, folder };
}

async function hasDatabase(folder: string): Promise<boolean> {
  return (await readdir(folder)).some((name) => name.startsWith('edgeproxy-postgres-'));
}

/** What the banner says, once it is there. */
async function bannerOf(demo: CliProcess) {
  const take = (pattern: RegExp): Promise<string> =>
    until(() => pattern.exec(demo.stdout())?.[1], { what: `${pattern} in the output`, timeoutMs: 25_000 });
  return {
    port: Number(await take(/^ *proxy +127\.0\.0\.1:(\d+)$/m)),
    metricsPort: Number(await take(/^ *metrics +http:\/\/127\.0\.0\.1:(\d+)\/metrics$/m)),
    url: await take(/^ *database +(postgres:\/\/\S+)$/m),
    sqlUrl: await take(/EDGEPROXY_POSTGRES_URL=(\S+) .* sql "UPDATE/),
    update: await take(/ sql "(UPDATE [^"]+'sa-1')"$/m),
  };
}

it.runIf(process.platform === 'linux')(
  'the demo answers from both regions, moves at its own SQL, and leaves nothing behind',
  { timeout: 60_000 },
  async () => {
    const { demo, folder } = await aDemo();
    const { port, metricsPort, url, sqlUrl, update } = await bannerOf(demo);
    const get = async (localAddress: string) => (await httpGet(port, '/', { localAddress })).body.trim();
    expect(await get('127.0.0.1')).toMatch(/^hello from sa-[12]$/);
    expect(await get('127.0.0.2')).toBe('hello from us-1');

    const bound = await clientOf('hello from sa-1', get);
    const sql = await runCli(['sql', update], { EDGEPROXY_POSTGRES_URL: sqlUrl });
    expect(sql).toEqual({ code: 0, stdout: 'UPDATE 1\n', stderr: '' });
    await until(async () => (await get(bound)) === 'hello from sa-2', { what: 'the answer to move' });

    const processes = await descendantsOf(demo.child.pid!);
    expect(processes.length).toBeGreaterThan(5);
    demo.child.kill('SIGINT');
    expect(await demo.exited).toEqual({ code: 0, signal: null });
    expect(processes.filter(isAlive)).toEqual([]);
    expect(await readdir(folder)).toEqual([]);
    for (const once of [port, metricsPort, Number(new URL(url).port)]) {
      await expect(tcpConnect(once)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    }
  },
);

/** A client address that gets this answer; equal backends share new addresses between them. */
async function clientOf(answer: string, get: (address: string) => Promise<string>): Promise<string> {
  for (let host = 10; host < 100; host++) {
    if ((await get(`127.0.0.${host}`)) === answer) return `127.0.0.${host}`;
  }
  throw new Error(`nobody got "${answer}"`);
}
