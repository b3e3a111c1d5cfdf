import { request } from 'node:http';
import type { HealthCheck } from '../../domain/health.ts';
import type { ListenAddress } from '../../domain/ports.ts';
import type { Look } from './attempt.ts';

/** What is read of a body before the connection is cut: enough for a small one to end in order. */
const MAX_BODY_BYTES = 16_384;

const MAX_HEADER_BYTES = 16_384;

/** Passes when the handshake is complete; not a byte is sent. */
const lookByTcp: Look = (socket, { judge, end }) => {
  socket.once('connect', () => {
    judge(undefined);
    end();
  });
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

/** How a backend is looked at. */
export function lookFor(check: HealthCheck, target: ListenAddress): Look {
  return check.type === 'tcp' ? lookByTcp : lookByHttp(target, check.path, check.expectedStatus);
}
