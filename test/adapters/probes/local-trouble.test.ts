import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { failureOfBackend, troubleOfDaemon } from '../../../src/adapters/probes/failure.ts';
import { createProbe } from '../../../src/adapters/probes/probe.ts';
import { LOOPBACK, settings, TCP, tcpServer, wanted } from './servers.ts';

const PROBE = new URL('../../../src/adapters/probes/probe.ts', import.meta.url).href;

const failed = (code: string): Error => Object.assign(new Error(`connect ${code}`), { code });

/** Probes a port in a process of its own that has no descriptor left, and prints how that was rejected. */
const script = (port: number): string => `
  import { openSync } from 'node:fs';
  import { connect } from 'node:net';
  const { createProbe } = await import(${JSON.stringify(PROBE)});
  connect(${port}, '${LOOPBACK}').on('connect', async function () {
    try { for (;;) openSync('/dev/null'); } catch {}
    const probe = createProbe({ maxInFlight: 1, now: () => performance.now() });
    const settings = ${JSON.stringify(settings(TCP))};
    const attempt = () => probe({ host: '${LOOPBACK}', port: ${port} }, settings, new AbortController().signal);
    const [first, second] = await Promise.allSettled([attempt(), attempt()]);
    process.stdout.write(JSON.stringify([first.reason?.message, second.reason?.message]), () => process.exit());
  });`;

describe("the daemon's own trouble", () => {
  it('rejects the probe when no descriptor is left, and keeps no place', async () => {
    const { port } = await tcpServer();
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      'ulimit -n 64; exec "$0" --input-type=module -e "$1"',
      process.execPath,
      script(port),
    ]);
    const reason = 'probe not sent: this process has no file descriptor left (EMFILE)';
    expect(JSON.parse(stdout)).toEqual([reason, reason]);
  });

  it('rejects the probe when its target is none', async () => {
    const probe = createProbe({ maxInFlight: 1, now: () => performance.now() });
    for (const port of [70_000, 80_000]) {
      await expect(probe({ host: LOOPBACK, port }, settings(TCP), wanted())).rejects.toThrow(
        /^probe not sent: Port should be/,
      );
    }
    const path = { type: 'http', path: '/a b', expectedStatus: 200 } as const;
    await expect(probe({ host: LOOPBACK, port: 9 }, settings(path), wanted())).rejects.toThrow(
      'probe not sent: Request path contains unescaped characters',
    );
  });

  it.each([
    'EMFILE',
    'ENFILE',
    'EADDRNOTAVAIL',
    'EADDRINUSE',
    'ENOBUFS',
    'EPERM',
    'EAFNOSUPPORT',
    'ESOMETHINGNEW',
  ])('is what %s means', (code) => {
    const error = failed(code);
    expect(failureOfBackend(error)).toBeUndefined();
    expect(troubleOfDaemon(error)).toMatchObject({
      message: expect.stringMatching(/^probe not sent: /),
      cause: error,
    });
  });

  it.each([
    ['ECONNREFUSED', 'refused'],
    ['EHOSTUNREACH', 'host unreachable'],
    ['ENETUNREACH', 'network unreachable'],
    ['ETIMEDOUT', 'no answer'],
  ])('is not what %s means', (code, words) => {
    expect(failureOfBackend(failed(code))).toBe(words);
  });
});
