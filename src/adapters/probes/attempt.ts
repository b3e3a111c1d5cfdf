import { connect, Socket } from 'node:net';
import type { HealthCheckSettings, ProbeResult } from '../../domain/health.ts';
import type { ListenAddress, MonotonicClock } from '../../domain/ports.ts';
import { failureOfBackend, troubleOfDaemon } from './failure.ts';

/** Where one look at a backend reports to; the first report counts. */
export interface Attempt {
  /** The backend passed, or failed for this reason (in words for an operator). */
  readonly judge: (failure: string | undefined) => void;
  /** Judges by an error, and ends the attempt. */
  readonly error: (error: unknown) => void;
  /** Nothing more is wanted of the socket. */
  readonly end: () => void;
}

/** One kind of probe, on a socket that is connecting. */
export type Look = (socket: Socket, attempt: Attempt) => void;

export interface AttemptOptions extends Pick<HealthCheckSettings, 'timeoutMs'> {
  readonly target: ListenAddress;
  readonly look: Look;
  readonly signal: AbortSignal;
  readonly now: MonotonicClock;
  /** Called once, when the socket of the attempt no longer exists. */
  readonly onClosed: () => void;
}

/** A socket that reports every failure as an event. */
function open(target: ListenAddress): Socket {
  try {
    // `host` is an address: there is no second family to fall back to.
    return connect({ ...target, autoSelectFamily: false });
  } catch (thrown) {
    return new Socket().destroy(thrown instanceof Error ? thrown : new Error(String(thrown)));
  }
}

/**
 * Connects and looks, all of it within the timeout. Rejects for the daemon's own trouble, and with the reason of
 * `signal`.
 *
 * A socket that has not been ended in order by then is reset: a FIN of ours would leave every probe behind in TIME_WAIT
 * on this machine for a minute. HAProxy ends its checks in the same way.
 */
export function runAttempt(options: AttemptOptions): Promise<ProbeResult> {
  const { target, look, timeoutMs, signal, now, onClosed } = options;
  return new Promise((resolve, reject) => {
    const startedMs = now();
    const socket = open(target);

    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      // A reset waits for a connect under way, and after a FIN it fails and leaks the descriptor (Node 26.10).
      if (socket.connecting || socket.writableEnded) socket.destroy();
      else socket.resetAndDestroy();
    }
    function judge(failure: string | undefined): void {
      const latencyMs = now() - startedMs;
      resolve(failure === undefined ? { ok: true, latencyMs } : { ok: false, latencyMs, error: failure });
    }
    function error(thrown: unknown): void {
      const failure = failureOfBackend(thrown);
      if (failure === undefined) reject(troubleOfDaemon(thrown));
      else judge(failure);
      end();
    }
    function abort(): void {
      reject(signal.reason);
      end();
    }

    const timer = setTimeout(() => {
      judge(`no answer within ${timeoutMs} ms`);
      end();
    }, timeoutMs);
    signal.addEventListener('abort', abort, { once: true });
    socket.once('close', onClosed);
    socket.on('error', error);
    try {
      look(socket, { judge, error, end });
    } catch (thrown) {
      error(thrown);
    }
  });
}
