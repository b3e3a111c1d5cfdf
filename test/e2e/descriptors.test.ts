import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { DaemonProcess } from '../support/daemon.ts';
import { aClient, anEchoBackend, anEdge } from '../support/edge.ts';
import { until } from '../support/until.ts';

const CLIENTS = 200;

/** From now on the daemon may open so many descriptors more than it has. */
async function leaveDescriptors({ child: { pid } }: DaemonProcess, more: number): Promise<void> {
  const open = new Set((await readdir(`/proc/${pid}/fd`)).map(Number));
  let limit = 0;
  for (let free = 0; free < more; limit++) if (!open.has(limit)) free++;
  await promisify(execFile)('prlimit', ['--pid', String(pid), `--nofile=${limit}:`]);
}

/** A client that has said something and keeps what it is answered. */
async function aTalker(port: number): Promise<{ readonly socket: Socket; heard: string }> {
  const talker = { socket: await aClient(port), heard: '' };
  talker.socket.on('data', (chunk: Buffer) => (talker.heard += chunk.toString()));
  talker.socket.write('hello');
  return talker;
}

async function anExhaustedEdge(env: Readonly<Record<string, string>>, descriptors: number) {
  const backend = await anEchoBackend();
  const { daemon } = await anEdge([{ id: 'a', port: backend.port, hard_limit: 0 }], { env });
  await leaveDescriptors(daemon, descriptors);
  const talkers = await Promise.all(Array.from({ length: CLIENTS }, () => aTalker(daemon.port)));
  return { daemon, talkers };
}

describe.runIf(process.platform === 'linux')('a daemon that runs out of descriptors', () => {
  // An odd number more: the last descriptor would go to a client that gets no backend.
  it.each([
    { descriptors: 20, pool: false },
    { descriptors: 21, pool: false },
    { descriptors: 20, pool: true },
    { descriptors: 21, pool: true },
  ])('($descriptors left, pool: $pool) has clients wait, and serves each of them', async (given) => {
    const { descriptors, pool } = given;
    const startedMs = performance.now();
    const env = {
      EDGEPROXY_ENGINE: 'epoll',
      EDGEPROXY_THREADS: '1',
      EDGEPROXY_POOL_ENABLED: String(pool),
    };
    const { daemon, talkers } = await anExhaustedEdge(env, descriptors);
    const warning = await daemon.log('clients have to wait, accepting is paused');
    expect(warning).toMatchObject({ level: 'warn', error: 'EMFILE', times: 1 });
    let waiting = talkers;
    while (waiting.length > 0) {
      const served = await until(
        () => {
          const some = waiting.filter(({ heard }) => heard === 'hello');
          return some.length > 0 && some;
        },
        { what: `one of ${waiting.length} to be served` },
      );
      expect(served.length).toBeLessThan(descriptors);
      waiting = waiting.filter((talker) => !served.includes(talker));
      for (const { socket } of served) socket.end();
    }
    // The metrics listener needs a descriptor as well.
    await until(async () => (await daemon.metric('edgeproxy_connections_active').catch(() => -1)) === 0, {
      what: 'all to have left',
    });
    expect(await daemon.metric('edgeproxy_accept_paused_total')).toBeGreaterThan(0);
    expect(await daemon.metric('edgeproxy_connections_total')).toBe(CLIENTS);
    expect(await daemon.metric('edgeproxy_connections_refused_total{reason="local_error"}')).toBe(0);
    const seconds = Math.ceil((performance.now() - startedMs) / 1_000);
    const warnings = daemon.logs.filter(({ msg }) => msg === warning.msg);
    expect(warnings.length).toBeLessThanOrEqual(seconds + 1);
  });

  it.each(['epoll', 'net'])('gives warm connections up for clients (%s)', async (engine) => {
    const backend = await anEchoBackend();
    const env = { EDGEPROXY_ENGINE: engine, EDGEPROXY_THREADS: '1', EDGEPROXY_POOL_ENABLED: 'true' };
    const { daemon } = await anEdge([{ id: 'a', port: backend.port, hard_limit: 0 }], { env });
    const metric = async (series: string): Promise<number> =>
      (await daemon.metric(`edgeproxy_pool_${series}`).catch(() => 0)) ?? 0;
    const first = await aTalker(daemon.port);
    await until(async () => (await metric('connections{backend="a"}')) > 0, { what: 'a warm connection' });
    first.socket.destroy();
    await leaveDescriptors(daemon, 4);
    const talkers: Socket[] = [];
    await until(
      async () => {
        const { socket } = await aTalker(daemon.port);
        talkers.push(socket.on('error', () => {}));
        if (talkers.length > CLIENTS) for (const talker of talkers.splice(0)) talker.destroy();
        return (await metric('discarded_total{reason="descriptors"}')) > 0;
      },
      { what: 'the pool to give way' },
    );
    for (const talker of talkers) talker.destroy();
    await until(
      async () => {
        const late = await aTalker(daemon.port);
        await until(() => late.heard === 'hello' || late.socket.destroyed || late.socket.readableEnded, {
          what: 'an answer',
        });
        late.socket.destroy();
        return late.heard === 'hello';
      },
      { what: 'a new client to be served' },
    );
    expect(daemon.child.exitCode).toBeNull();
  });

  it('on the portable engine keeps its listener: who comes when others have left is served', async () => {
    const { daemon, talkers } = await anExhaustedEdge({ EDGEPROXY_ENGINE: 'net' }, 20);
    await until(() => talkers.some(({ heard }) => heard === 'hello'), { what: 'some to be served' });
    for (const { socket } of talkers) socket.destroy();
    await until(
      async () => {
        const { socket, heard } = await aTalker(daemon.port);
        const late = { socket, heard };
        socket.on('data', (chunk: Buffer) => (late.heard += chunk.toString()));
        await until(() => late.heard === 'hello' || socket.destroyed || socket.readableEnded, {
          what: 'an answer',
        });
        return late.heard === 'hello';
      },
      { what: 'a new client to be served' },
    );
    expect(daemon.child.exitCode).toBeNull();
  });
});
