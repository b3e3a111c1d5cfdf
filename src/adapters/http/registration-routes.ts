import type { z } from 'zod';
import { limitedWarning } from '../../domain/limited-log.ts';
import type { Logger, MonotonicClock } from '../../domain/ports.ts';
import {
  isBackendName,
  parseRegistration,
  type Registrar,
  registrationSchema,
  type RegistrationWitness,
} from '../../domain/registration.ts';
import { EdgeProxyError } from '../../errors.ts';
import { type ApiAnswer, type ApiOperation, problem } from './api-operation.ts';
import { apiRoutes } from './api-routes.ts';
import type { Caller, GuardedContext, GuardedRoute } from './guarded-app.ts';
import { readJson } from './read-json.ts';
import {
  backendStatus,
  deregistered,
  health,
  heard,
  listed,
  problemOfId,
  registered,
  statusOf,
} from './registration-answers.ts';

export interface RegistrationRoutesOptions {
  readonly registrar: Registrar;
  readonly witness: RegistrationWitness;
  readonly version: string;
  readonly logger: Logger;
  readonly now: MonotonicClock;
}

const NO_DATABASE: ApiAnswer = {
  description: 'The database does not answer, or does not let this daemon; nothing has changed.',
  schema: problem,
};

/** The id of the path, unless no backend can have it. */
function idOf(context: GuardedContext): string | undefined {
  const id = context.req.param('id') ?? '';
  return isBackendName(id) ? id : undefined;
}

const by = ({ address, role }: Caller) => ({ address, role: role ?? 'none' });

/**
 * The registration API, wire-compatible with the original edgeProxy, and `/openapi.json`, the document of it.
 *
 * Source: original edgeProxy, Auto-Discovery API.
 */
export function registrationRoutes(options: RegistrationRoutesOptions): readonly GuardedRoute[] {
  const { registrar, witness, version, logger, now } = options;
  const unavailable = limitedWarning(logger, 'registrations cannot be read or written', now);

  async function register(context: GuardedContext, caller: Caller): Promise<Response> {
    const body = await readJson(context);
    if (!body.ok) {
      // What is left of the body is not read: the connection can carry nothing more.
      const headers: Record<string, string> = body.status === 413 ? { connection: 'close' } : {};
      return context.json({ error: body.problem }, body.status, headers);
    }
    const parsed = parseRegistration(body.value);
    if (!parsed.ok) return context.json({ error: parsed.problem }, 400);
    const { id } = parsed.backend;
    const outcome = await registrar.register(parsed.backend, caller.address);
    switch (outcome.result) {
      case 'refused':
        return context.json({ error: `the table backends does not take it: ${outcome.reason}` }, 400);
      case 'taken':
        return context.json({ id, error: `the id ${JSON.stringify(id)} ${outcome.reason}` }, 409);
      case 'registered':
      case 'updated':
        witness.changed(outcome.result, id, by(caller));
        break;
      case 'unchanged':
        witness.beat('heard');
        break;
    }
    const message = 'Backend registered successfully';
    return context.json({ id, registered: true, message } satisfies z.input<typeof registered>, 201);
  }

  async function heartbeat(context: GuardedContext, caller: Caller): Promise<Response> {
    const id = idOf(context);
    const result = id === undefined ? 'unknown' : await registrar.heartbeat(id);
    witness.beat(result === 'unknown' ? 'unknown' : 'heard');
    if (id === undefined || result === 'unknown') {
      const shown = context.req.param('id') ?? '';
      return context.json(
        { id: shown, error: 'backend not registered' } satisfies z.input<typeof problemOfId>,
        404,
      );
    }
    if (result === 'revived') witness.changed('revived', id, by(caller));
    return context.json({ id, status: 'ok' } satisfies z.input<typeof heard>);
  }

  async function deregister(context: GuardedContext, caller: Caller): Promise<Response> {
    const id = idOf(context);
    if (id === undefined || !(await registrar.deregister(id))) {
      const shown = context.req.param('id') ?? '';
      return context.json(
        { id: shown, error: 'backend not found' } satisfies z.input<typeof problemOfId>,
        404,
      );
    }
    witness.changed('deregistered', id, by(caller));
    return context.json({ id, deregistered: true } satisfies z.input<typeof deregistered>);
  }

  async function list(context: GuardedContext): Promise<Response> {
    const backends = (await registrar.list()).map(statusOf);
    return context.json({ backends, total: backends.length } satisfies z.input<typeof listed>);
  }

  async function find(context: GuardedContext): Promise<Response> {
    const id = idOf(context);
    const found = id === undefined ? undefined : await registrar.find(id);
    return found === undefined
      ? context.json({ error: 'backend not found' } satisfies z.input<typeof problem>, 404)
      : context.json(statusOf(found));
  }

  /** Tells a client that may try again from one that may not. */
  function whileDatabaseAnswers(handle: GuardedRoute['handle']): GuardedRoute['handle'] {
    return async (context, caller) => {
      try {
        return await handle(context, caller);
      } catch (thrown) {
        if (!(thrown instanceof EdgeProxyError)) throw thrown;
        unavailable.warn({ error: thrown.message });
        const reason =
          thrown.code === 'ERR_POSTGRES_SCHEMA' ? thrown.message : 'the database does not answer';
        const error = context.req.method === 'GET' ? reason : `nothing has changed: ${reason}`;
        return context.json({ error }, 503, { 'retry-after': '5' });
      }
    };
  }

  const operations: readonly ApiOperation[] = [
    {
      method: 'GET',
      path: '/health',
      access: 'page',
      operationId: 'health',
      summary: 'Whether the API serves, and how many backends are registered.',
      answers: { 200: { description: 'It serves.', schema: health } },
      handle: (context) =>
        context.json({ status: 'ok', version, registered_backends: registrar.count } satisfies z.input<
          typeof health
        >),
    },
    {
      method: 'POST',
      path: '/api/v1/register',
      access: 'register',
      operationId: 'register',
      summary: 'Registers a backend, or replaces the registration of its id. Counts as a heartbeat.',
      body: registrationSchema,
      answers: {
        201: { description: 'It is registered.', schema: registered },
        400: {
          description: 'The body is not JSON, or a field is wrong; the error names it.',
          schema: problem,
        },
        409: {
          description: 'The id is that of a backend that did not register itself.',
          schema: problemOfId,
        },
        413: { description: 'The body is larger than 64 KiB.', schema: problem },
        415: { description: 'The body is not announced as application/json.', schema: problem },
        503: NO_DATABASE,
      },
      handle: whileDatabaseAnswers(register),
    },
    {
      method: 'POST',
      path: '/api/v1/heartbeat/:id',
      access: 'register',
      operationId: 'heartbeat',
      summary: 'Says that a backend is alive.',
      answers: {
        200: { description: 'It stays in, or is taken in again.', schema: heard },
        404: {
          description: 'No such id has registered, or it has been removed: register anew.',
          schema: problemOfId,
        },
        503: NO_DATABASE,
      },
      handle: whileDatabaseAnswers(heartbeat),
    },
    {
      method: 'GET',
      path: '/api/v1/backends',
      access: 'read',
      operationId: 'listBackends',
      summary: 'All registered backends, ordered by id.',
      answers: { 200: { description: 'All of them.', schema: listed }, 503: NO_DATABASE },
      handle: whileDatabaseAnswers(list),
    },
    {
      method: 'GET',
      path: '/api/v1/backends/:id',
      access: 'read',
      operationId: 'getBackend',
      summary: 'One registered backend.',
      answers: {
        200: { description: 'The backend.', schema: backendStatus },
        404: { description: 'No such id has registered.', schema: problem },
        503: NO_DATABASE,
      },
      handle: whileDatabaseAnswers(find),
    },
    {
      method: 'DELETE',
      path: '/api/v1/backends/:id',
      access: 'register',
      operationId: 'deregister',
      summary: 'Removes a registered backend; its live connections drain.',
      answers: {
        200: { description: 'It is removed.', schema: deregistered },
        404: { description: 'No such id has registered.', schema: problemOfId },
        503: NO_DATABASE,
      },
      handle: whileDatabaseAnswers(deregister),
    },
  ];
  return apiRoutes(
    '/openapi.json',
    {
      title: 'edgeproxy registration API',
      description: 'Backends register here, and are routed to for as long as they send heartbeats.',
    },
    operations,
  );
}
