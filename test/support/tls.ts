import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { onTestFinished } from 'vitest';
import type { Env } from './daemon.ts';
import { once } from './sockets.ts';

/** What makes a daemon listen for TLS clients on a free port of the loopback address. */
export const TLS_ON: Env = {
  EDGEPROXY_TLS_ENABLED: 'true',
  EDGEPROXY_TLS_LISTEN_ADDR: '127.0.0.1:0',
  EDGEPROXY_TLS_THREADS: '2',
};

export function filesOf({ cert, key }: { readonly cert: string; readonly key: string }): Env {
  return { EDGEPROXY_TLS_CERT: cert, EDGEPROXY_TLS_KEY: key };
}

/** A folder that goes away with the running test. */
export async function aFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'edgeproxy-tls-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A client whose handshake has succeeded; rejects with why it has not. It is cut when the running test ends. */
export async function aTlsClient(
  port: number,
  options: ConnectionOptions & { readonly localAddress?: string } = {},
): Promise<TLSSocket> {
  const settings: ConnectionOptions & { readonly allowHalfOpen: boolean } = {
    port,
    host: '127.0.0.1',
    servername: 'edge.test',
    rejectUnauthorized: false,
    allowHalfOpen: true,
    ...options,
  };
  const socket = connect(settings);
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  socket.on('error', () => {});
  return socket;
}

/** A file that goes away with the running test: its path. */
export async function aFile(name: string, content: string): Promise<string> {
  const path = join(await aFolder(), name);
  await writeFile(path, content);
  return path;
}
