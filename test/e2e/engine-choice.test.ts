import { spawn } from 'node:child_process';
import { describe, expect, it, onTestFinished } from 'vitest';
import { runCli } from '../support/daemon.ts';
import { aDaemon, anEchoBackend, anEchoClient, anEdge } from '../support/edge.ts';
import { once } from '../support/sockets.ts';

const LEAVING = new URL('../support/leaving-process.ts', import.meta.url).pathname;

describe.runIf(process.platform === 'linux')('what relays', () => {
  it.each([
    [{ EDGEPROXY_ENGINE: 'net' }, { engine: 'net', syscalls: 'none', threads: 1 }],
    [
      { EDGEPROXY_ENGINE: 'epoll', EDGEPROXY_THREADS: '2' },
      { engine: 'epoll', syscalls: 'addon', threads: 2 },
    ],
    [
      { EDGEPROXY_ENGINE: 'auto', EDGEPROXY_THREADS: '1' },
      { engine: 'epoll', syscalls: 'addon', threads: 1 },
    ],
    [
      { EDGEPROXY_SYSCALLS: 'ffi', EDGEPROXY_THREADS: '1' },
      { engine: 'epoll', syscalls: 'ffi', threads: 1 },
    ],
  ] as const)('with %j is logged, and a metric: %j', async (env, choice) => {
    const backend = await anEchoBackend();
    const { daemon } = await anEdge([{ id: 'a', port: backend.port }], { env });
    await anEchoClient(daemon.port);
    expect(await daemon.log('accepting clients')).toMatchObject(choice);
    const { engine, syscalls, threads } = choice;
    expect(await daemon.metric(`edgeproxy_engine_info{engine="${engine}",syscalls="${syscalls}"}`)).toBe(1);
    expect(await daemon.metric('edgeproxy_engine_threads')).toBe(threads);
    expect(await daemon.metric('edgeproxy_data_thread_deaths_total')).toBe(0);
    expect(await daemon.metric('edgeproxy_accept_paused_total')).toBe(0);
  });

  // Where Node loads no addon, as on a machine without one.
  const NO_ADDON = { NODE_OPTIONS: '--no-addons', EDGEPROXY_SYSCALLS: 'addon' };

  it('is the portable engine, with a warning, where the other one does not work', async () => {
    const daemon = await aDaemon({ env: NO_ADDON });
    expect(await daemon.log('accepting clients')).toMatchObject({ engine: 'net' });
    expect(await daemon.log('the epoll engine does not work here, the portable one relays')).toMatchObject({
      level: 'warn',
      reasons: [expect.stringMatching(/^addon: /)],
    });
  });

  it('cannot be epoll where that does not work: says why, exit 1', async () => {
    const { code, stderr } = await runCli(['run'], { ...NO_ADDON, EDGEPROXY_ENGINE: 'epoll' });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^edgeproxy: EDGEPROXY_ENGINE is epoll, but: addon: .+\n$/);
  });

  it.each(['EDGEPROXY_TCP_CONGESTION', 'EDGEPROXY_TCP_BACKEND_CONGESTION'])(
    'does not start with %s that the kernel has not: names it and those there are, exit 1',
    async (variable) => {
      const { code, stderr } = await runCli(['run'], { [variable]: 'nosuch', EDGEPROXY_ENGINE: 'epoll' });
      expect([code, stderr]).toEqual([
        1,
        expect.stringMatching(
          new RegExp(
            `^edgeproxy: ${variable} = "nosuch": ENOENT, the kernel has: .*cubic.* \\(.*tcp_nosuch\\)\n$`,
          ),
        ),
      ]);
    },
  );
});

describe.runIf(process.platform === 'linux')('a process whose threads wait for events', () => {
  it.each([
    ['exit', 7, ''],
    ['throw', 1, 'nobody catches this'],
    ['reject', 1, 'nobody catches this'],
  ] as const)('ends at once when it leaves by %s', async (how, expected, message) => {
    const backend = await anEchoBackend();
    const child = spawn(process.execPath, [LEAVING, how, String(backend.port)], {
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const [code, signal] = await once(child, 'close');
    expect([code, signal]).toEqual([expected, null]);
    expect(stderr).toContain(message);
  });
});
