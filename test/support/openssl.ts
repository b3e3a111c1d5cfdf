import { execFile, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';
import { once } from './sockets.ts';
import { temporaryFolder } from './temporary-folder.ts';

const openssl = promisify(execFile);

/** A server that speaks TLS, says its name to everybody, and hangs up. */
export interface TlsBackend {
  readonly port: number;
  /** Path of its certificate, which is signed by itself. */
  readonly certificate: string;
  /** Server names and protocols that clients have asked for. */
  readonly asked: readonly {
    readonly serverName: string | false | null;
    readonly alpn: string | false | null;
  }[];
}

export async function aTlsBackend(name: string, host: string): Promise<TlsBackend> {
  const folder = await temporaryFolder();
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', `/CN=${host}`, '-addext', `subjectAltName=DNS:${host}`];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'];
  await openssl('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', certificate]);
  const asked: TlsBackend['asked'][number][] = [];
  const server = createServer(
    { key: await readFile(key), cert: await readFile(certificate), ALPNProtocols: ['h2', 'http/1.1'] },
    (socket) => {
      asked.push({ serverName: socket.servername ?? null, alpn: socket.alpnProtocol });
      socket.on('error', () => {});
      socket.resume().end(name);
    },
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as { readonly port: number };
  return { port, certificate, asked };
}

/** What `openssl s_client` gets from a server whose certificate it demands to be good for the name that it asks for. */
export async function askByTls(
  port: number,
  serverName: string,
  { certificate }: TlsBackend,
  ...more: readonly string[]
): Promise<{ readonly code: number | null; readonly output: string }> {
  const target = ['-connect', `127.0.0.1:${port}`, '-servername', serverName];
  const trust = ['-CAfile', certificate, '-verify_return_error', '-verify_hostname', serverName];
  const child = spawn('openssl', ['s_client', '-quiet', ...target, ...trust, ...more], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.resume();
  const [code] = await once(child, 'close');
  return { code: code as number | null, output };
}
