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
  /** What may stand behind the `?`, all of it text. */
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** By status; what the listener itself answers comes on top. */
  readonly answers: Readonly<Record<number, ApiAnswer>>;
}

export const problem = z.strictObject({ error: z.string() });

/** What the guards of the listener answer before a route is asked. */
const GUARD_ANSWERS: Readonly<Record<number, string>> = {
  403: 'This host name or this origin is not served here, or the token is of a role that may not; `error` says which is needed.',
  429: 'This address asks too often.',
  500: 'The daemon failed; its log says how.',
};

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): object => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
};

const content = (schema: object): object => ({ 'application/json': { schema } });

/** What stands in the path and behind it. */
function parametersOf({ path, query }: Pick<ApiOperation, 'path' | 'query'>): readonly object[] {
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const inQuery = Object.entries(query?.shape ?? {}).map(([name, schema]) => ({
    name,
    in: 'query',
    required: false,
    schema: schemaOf(schema as z.ZodType, 'input'),
  }));
  return [...inPath, ...inQuery];
}

function operationOf(operation: ApiOperation): object {
  const { operationId, summary, access, body, answers } = operation;
  const guards: Readonly<Record<number, string>> =
    access === 'page'
      ? GUARD_ANSWERS
      : {
          ...GUARD_ANSWERS,
          401: 'No token was sent as `Authorization: Bearer TOKEN`, or it is not known; `error` says which.',
        };
  const guardAnswers = Object.entries(guards).map(
    ([status, description]) => [status, { description, schema: problem }] as const,
  );
  const all = new Map<string, ApiAnswer>([...guardAnswers, ...Object.entries(answers)]);
  return {
    operationId,
    summary,
    security: access === 'page' ? [] : [{ bearer: [] }, {}],
    ...(access === 'page' ? {} : { 'x-role': access }),
    parameters: parametersOf(operation),
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

/** Which API it is, for people. */
export interface ApiInfo {
  readonly title: string;
  readonly description: string;
}

/** The OpenAPI 3.1 document of these operations. */
export function openApiOf(info: ApiInfo, operations: readonly ApiOperation[]): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of operations) {
    const path = operation.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: operationOf(operation) };
  }
  return {
    openapi: '3.1.0',
    info: { ...info, version: 'v1' },
    paths,
    components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
  };
}
