import { request } from 'node:http';
import type { Socket } from 'node:net';
import { writeAddressWords } from '../../domain/address-words.ts';
import type { HealthCheck } from '../../domain/health.ts';
import type { ListenAddress } from '../../domain/ports.ts';
import { encodeV1, encodeV2Local } from '../../domain/proxy-protocol/encode.ts';
import type { HeaderMode } from '../../domain/proxy-protocol/relayed-header.ts';
import type { Look } from './attempt.ts';

/** What is read of a body before the connection is cut: enough for a small one to end in order. */
const MAX_BODY_BYTES = 16_384;

const MAX_HEADER_BYTES = 16_384;

/** Passes when the handshake is complete; not a byte is sent, but for a header. */
const lookByTcp: Look = (socket, { judge, end }) => {
  const pass = (): void => {
    judge(undefined);
    end();
  };
  if (socket.pending) socket.once('connect', pass);
  else pass();
};

/**
 * Passes when the status of the response is the expected one. A redirect is an answer like any other, and the body is
 * thrown away.
 */
function lookByHttp({ host, port }: ListenAddress, path: string, expectedStatus: number): Look {
  return (socket, { judge, error, end }) => {
    const judgeStatus = (status: number | undefined): void =>
      judge(status === expectedStatus ? undefined : `status ${status}, expected ${expectedStatus}`);
    const ask = request({
      host,
      port,
      path,
      maxHeaderSize: MAX_HEADER_BYTES,
      headers: { 'user-agent': 'edgeproxy', accept: '*/*', connection: 'close' },
      createConnection: () => socket,
    });
    ask.on('error', (thrown) => {
      if (thrown.message === 'socket hang up') judge('closed without an answer');
      error(thrown);
    });
    ask.once('upgrade', ({ statusCode }) => {
      judgeStatus(statusCode);
      end();
    });
    ask.once('response', (response) => {
      judgeStatus(response.statusCode);
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > MAX_BODY_BYTES) end();
      });
      response.once('close', end);
      response.on('error', end);
    });
    ask.end();
  };
}

/** Says first that nobody is relayed, as a PROXY header does. */
function introduced(look: Look, target: ListenAddress, mode: Exclude<HeaderMode, 'off'>): Look {
  return (socket, attempt) => {
    socket.once('connect', () => {
      socket.write(probeHeader(socket, target, mode));
      look(socket, attempt);
    });
  };
}

/** Version 1 has no command for it, and not everybody takes its `UNKNOWN`: the endpoints are those of the probe. */
function probeHeader(
  { localAddress, localPort }: Socket,
  { host, port }: ListenAddress,
  mode: Exclude<HeaderMode, 'off'>,
): Uint8Array {
  if (mode === 'v2') return encodeV2Local();
  // One that has none any more is broken, and about to say so.
  if (localAddress === undefined || localPort === undefined) return encodeV1(undefined);
  return encodeV1({
    source: wordsOf(localAddress),
    sourcePort: localPort,
    destination: wordsOf(host),
    destinationPort: port,
  });
}

function wordsOf(address: string): Uint32Array {
  const words = new Uint32Array(4);
  writeAddressWords(address, words);
  return words;
}

/** How a backend is looked at. @param header what it wants a connection to begin with */
export function lookFor(check: HealthCheck, target: ListenAddress, header: HeaderMode = 'off'): Look {
  const look = check.type === 'tcp' ? lookByTcp : lookByHttp(target, check.path, check.expectedStatus);
  return header === 'off' ? look : introduced(look, target, header);
}
