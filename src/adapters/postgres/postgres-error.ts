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
