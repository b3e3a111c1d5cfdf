import type { z } from 'zod';
import { bodyProblem } from '../../domain/body-problems.ts';
import { type ApiAnswer, problem } from './api-operation.ts';
import type { GuardedContext } from './guarded-app.ts';
import { readBytes, readJson } from './read-json.ts';

/** What was asked, or the answer to somebody who has asked it wrongly. */
export type Parsed<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly answer: Response };

/** What an operation with a body of JSON answers to a bad one. */
export const BODY_ANSWERS: Readonly<Record<number, ApiAnswer>> = {
  400: { description: 'The body is not JSON, or a field is wrong; the error names it.', schema: problem },
  413: { description: 'The body is larger than 64 KiB.', schema: problem },
  415: { description: 'The body is not announced as application/json.', schema: problem },
};

/** What an operation without a body answers to one. */
export const NO_BODY_ANSWERS: Readonly<Record<number, ApiAnswer>> = {
  400: { description: 'There is a body.', schema: problem },
};

/** What an operation with parameters behind the `?` answers to a bad one. */
export const QUERY_ANSWERS: Readonly<Record<number, ApiAnswer>> = {
  400: { description: 'A parameter is wrong; the error names it.', schema: problem },
};

/** Reads a body of JSON as a schema wants it. @param whole what to say of a body that is no object at all */
export async function bodyOf<Schema extends z.ZodType>(
  context: GuardedContext,
  schema: Schema,
  whole: string,
): Promise<Parsed<z.output<Schema>>> {
  const body = await readJson(context);
  if (!body.ok) {
    // What is left of the body is not read: the connection can carry nothing more.
    const headers: Record<string, string> = body.status === 413 ? { connection: 'close' } : {};
    return { ok: false, answer: context.json({ error: body.problem }, body.status, headers) };
  }
  const parsed = schema.safeParse(body.value);
  if (parsed.success) return { ok: true, value: parsed.data };
  const error = bodyProblem(parsed.error, body.value, whole);
  return { ok: false, answer: context.json({ error }, 400) };
}

/** The answer to somebody who sends a body where none is read: what it asks for would not be done. */
export async function refusalOfBody(context: GuardedContext): Promise<Response | undefined> {
  const bytes = await readBytes(context);
  if (bytes?.length === 0) return undefined;
  // What is left of the body is not read: the connection can carry nothing more.
  const headers: Record<string, string> = bytes === undefined ? { connection: 'close' } : {};
  return context.json({ error: 'the body: expected none' }, 400, headers);
}

/** Reads what stands behind the `?` as a schema wants it; every name may be there once. */
export function queryOf<Schema extends z.ZodType>(
  context: GuardedContext,
  schema: Schema,
): Parsed<z.output<Schema>> {
  const repeated = Object.entries(context.req.queries()).find(([, values]) => values.length > 1);
  if (repeated !== undefined) {
    const error = `${repeated[0]}: expected once, not ${repeated[1].length} times`;
    return { ok: false, answer: context.json({ error }, 400) };
  }
  const query = context.req.query();
  const parsed = schema.safeParse(query);
  if (parsed.success) return { ok: true, value: parsed.data };
  return { ok: false, answer: context.json({ error: bodyProblem(parsed.error, query, 'the query') }, 400) };
}
