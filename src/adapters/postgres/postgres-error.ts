import { DatabaseError } from 'pg';
import { EdgeProxyError, messageOf } from '../../errors.ts';

/** Names the database (its label, never its URL) and the work that failed; an `EdgeProxyError` stays as it is. */
export function postgresError(label: string, doing: string, thrown: unknown): EdgeProxyError {
  if (thrown instanceof EdgeProxyError) return thrown;
  return new EdgeProxyError('ERR_POSTGRES', `${doing} at ${label}: ${messageOf(thrown)}`, { cause: thrown });
}

/** The SQLSTATE of a failed statement (five characters), or `undefined` when the server did not answer. */
export function sqlStateOf(error: EdgeProxyError): string | undefined {
  return error.cause instanceof DatabaseError ? error.cause.code : undefined;
}

const INSUFFICIENT_PRIVILEGE = '42501';

/** What a role may not do becomes `ERR_POSTGRES_SCHEMA`, with what to do about it; anything else stays as it is. */
export function orAdvice(thrown: unknown, advice: string): unknown {
  if (!(thrown instanceof EdgeProxyError) || sqlStateOf(thrown) !== INSUFFICIENT_PRIVILEGE) return thrown;
  return new EdgeProxyError('ERR_POSTGRES_SCHEMA', `the role of this daemon may not ${advice}`, {
    cause: thrown,
  });
}
