import { EdgeProxyError, messageOf } from '../../errors.ts';
import type { LogTail } from './log-tail.ts';

const TAIL_LINES = 20;

/** An `ERR_EMBEDDED_POSTGRES` that shows the end of the log. */
export function failure(what: string, log: LogTail, cause?: unknown): EdgeProxyError {
  const tail = log.text(TAIL_LINES);
  const reason = cause === undefined ? '' : `: ${messageOf(cause)}`;
  const message = `${what}${reason}${tail === '' ? '' : `; its log ends with:\n${tail}`}`;
  return new EdgeProxyError('ERR_EMBEDDED_POSTGRES', message, { cause });
}
