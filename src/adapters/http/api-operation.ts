import { z } from 'zod';
import type { GuardedRoute } from './guarded-app.ts';

/** What an operation answers with one status. */
export interface ApiAnswer {
  readonly description: string;
  readonly schema: z.ZodType;
}

/** A route with all that its clients may rely on. */
export interface ApiOperation extends GuardedRoute {
  readonly operationId: string;
  readonly summary: string;
  readonly body?: z.ZodType;
  /** By status; what the listener itself answers comes on top. */
  readonly answers: Readonly<Record<number, ApiAnswer>>;
}

export const problem = z.strictObject({ error: z.string() });

/** What the guards of the listener answer before a route is asked. */
const GUARD_ANSWERS: Readonly<Record<number, string>> = {
  403: 'This host name or this origin is not served here, or the token is of another role.',
  429: 'This address asks too often.',
  500: 'The daemon failed; its log says how.',
};

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): object => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
};

const content = (schema: object): object => ({ 'application/json': { schema } });

function operationOf({ operationId, summary, access, path, body, answers }: ApiOperation): object {
  const guards: Readonly<Record<number, string>> =
    access === 'page' ? GUARD_ANSWERS : { ...GUARD_ANSWERS, 401: 'The token is missing or wrong.' };
  const guardAnswers = Object.entries(guards).map(
    ([status, description]) => [status, { description, schema: problem }] as const,
  );
  const all = new Map<string, ApiAnswer>([...guardAnswers, ...Object.entries(answers)]);
  return {
    operationId,
    summary,
    security: access === 'page' ? [] : [{ bearer: [] }, {}],
    ...(access === 'page' ? {} : { 'x-role': access }),
    parameters: [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string' },
    })),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: content(schemaOf(body, 'input')) } }),
    responses: Object.fromEntries(
      [...all].map(([status, { description, schema }]) => [
        status,
        { description, content: content(schemaOf(schema, 'output')) },
      ]),
    ),
  };
}

/** The OpenAPI 3.1 document of these operations. */
export function openApiOf(operations: readonly ApiOperation[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of operations) {
    const path = operation.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: operationOf(operation) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'edgeproxy registration API',
      version: 'v1',
      description: 'Backends register here, and are routed to for as long as they send heartbeats.',
    },
    paths,
    components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
  };
}
