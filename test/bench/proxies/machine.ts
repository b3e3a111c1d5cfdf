import { execFile } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { promisify } from 'node:util';
import { packageVersion } from '../../../src/commands/version.ts';
import { NGINX_STREAM_MODULE } from './configurations.ts';

const run = promisify(execFile);

/** What has to be installed, and the package of Debian that brings it. */
const NEEDED = [
  { program: 'cc', args: ['--version'], package: 'gcc libc6-dev' },
  { program: 'haproxy', args: ['-v'], package: 'haproxy' },
  { program: 'nginx', args: ['-v'], package: 'nginx' },
  { program: 'taskset', args: ['--version'], package: 'util-linux' },
] as const;

/** Throws with the packages to install when something that the benchmark runs is not there. */
export async function checkPrograms(): Promise<void> {
  const missing: string[] = [];
  for (const { program, args, package: name } of NEEDED) {
    await run(program, args).catch(() => missing.push(name));
  }
  await run('cc', ['-E', '-include', 'openssl/ssl.h', '-xc', '/dev/null']).catch(() =>
    missing.push('libssl-dev'),
  );
  await access(NGINX_STREAM_MODULE).catch(() => missing.push('libnginx-mod-stream'));
  if (missing.length > 0) {
    throw new Error(
      `something is missing; on Debian: apt-get install --no-install-recommends ${missing.join(' ')}`,
    );
  }
}

export type Fact = readonly [name: string, value: string];

/** The machine and the versions, as a reader needs them to judge the figures. */
export async function describeMachine(): Promise<readonly Fact[]> {
  const models = cpus().map(({ model }) => model);
  const congestion = await readFile('/proc/sys/net/ipv4/tcp_congestion_control', 'latin1');
  return [
    ['CPU', `${models[0] ?? 'unknown'}, ${models.length} cores`],
    ['kernel', `Linux ${release()}, congestion control ${congestion.trim()}`],
    ['HAProxy', await versionOf('haproxy', '-v', /version (\S+)/)],
    ['nginx', await versionOf('nginx', '-v', /nginx\/(\S+)/)],
    ['edgeproxy', packageVersion()],
    ['Node', process.versions.node],
    ['OpenSSL', await openSslVersions()],
  ];
}

/** Debian's proxies share a library, Node brings its own. */
async function openSslVersions(): Promise<string> {
  const shared = await versionOf('haproxy', '-vv', /Running on OpenSSL version : OpenSSL (\S+)/);
  return `${shared} in HAProxy and nginx, ${process.versions.openssl} in Node`;
}

async function versionOf(program: string, option: string, pattern: RegExp): Promise<string> {
  const { stdout, stderr } = await run(program, [option]);
  return pattern.exec(stdout + stderr)?.[1] ?? 'unknown';
}
