import { z } from 'zod';
import type { BackendSwitch } from '../../domain/backend-switch.ts';
import type { Logger } from '../../domain/ports.ts';
import { EdgeProxyError } from '../../errors.ts';
import { level, levelAnswer, resetAnswer, switchAnswer } from './admin-answers.ts';
import { type ApiAnswer, type ApiOperation, problem } from './api-operation.ts';
import type { Caller, GuardedContext } from './guarded-app.ts';
import { BODY_ANSWERS, bodyOf, NO_BODY_ANSWERS, refusalOfBody } from './parsed-request.ts';

const levelBody = z.strictObject({ level });

/** What an operator may change in a running daemon. */
export interface AdminControls {
  readonly backendSwitch: BackendSwitch;
  /**
   * Closes the circuits of a backend, or of all; the ids of those that were not closed. `unknown`: nobody has the id.
   * `off`: there are no breakers.
   */
  readonly resetBreakers: (id?: string) => readonly string[] | 'unknown' | 'off';
  /** `undefined` for the one of the configuration. Resolves with what is in force. */
  readonly setLogLevel: (
    level: z.output<typeof levelBody>['level'] | undefined,
  ) => Promise<z.input<typeof levelAnswer>>;
  readonly logLevel: () => z.input<typeof levelAnswer>;
  readonly logger: Logger;
}

const NO_BACKEND: ApiAnswer = { description: 'No backend has this id.', schema: problem };
const NO_BREAKERS: ApiAnswer = { description: 'Circuit breakers are off.', schema: problem };

const unknown = (context: GuardedContext): Response =>
  context.json({ error: `no backend has the id ${JSON.stringify(context.req.param('id') ?? '')}` }, 404);

/** What the admin API changes; a line in the log for every change, with who made it. */
export function adminChanges(controls: AdminControls): readonly ApiOperation[] {
  const { backendSwitch, resetBreakers, setLogLevel, logLevel, logger } = controls;

  function audit(change: string, fields: object, { address, role }: Caller): void {
    logger.info({ change, ...fields, address, role: role ?? 'none' }, 'changed by an operator');
  }

  async function turn(context: GuardedContext, caller: Caller, isDrained: boolean): Promise<Response> {
    const id = context.req.param('id') ?? '';
    const { scope } = backendSwitch;
    const refusal = await refusalOfBody(context);
    if (refusal !== undefined) return refusal;
    try {
      const result = await backendSwitch.turn(id, !isDrained);
      if (result === 'unknown') return unknown(context);
      if (result === 'kept_out') {
        return context.json({ error: 'the configuration file keeps it out: healthy = false' }, 409);
      }
      const changed = result === 'changed';
      if (changed) audit(isDrained ? 'drained' : 'undrained', { backend: id, scope }, caller);
      return context.json({ id, isDrained, changed, scope } satisfies z.input<typeof switchAnswer>);
    } catch (thrown) {
      if (!(thrown instanceof EdgeProxyError)) throw thrown;
      logger.warn({ backend: id, error: thrown.message }, 'a backend cannot be drained or undrained');
      return context.json({ error: `nothing has changed: ${thrown.message}` }, 503, { 'retry-after': '5' });
    }
  }

  function reset(context: GuardedContext, caller: Caller, id?: string): Response {
    const result = resetBreakers(id);
    if (result === 'unknown') return unknown(context);
    if (result === 'off') return context.json({ error: 'circuit breakers are off' }, 409);
    for (const backend of result) audit('circuit reset', { backend }, caller);
    return context.json({ reset: [...result] } satisfies z.input<typeof resetAnswer>);
  }

  async function changeLevel(
    caller: Caller,
    wanted: z.output<typeof level> | undefined,
  ): Promise<z.input<typeof levelAnswer>> {
    const { level: before, setting } = logLevel();
    const line = { from: before, to: wanted ?? setting };
    const isNews = line.from !== line.to;
    // Of two levels, one may hide the line.
    const isHidden = before === 'warn' || before === 'error';
    if (isNews && !isHidden) audit('log level', line, caller);
    const answer = await setLogLevel(wanted);
    if (isNews && isHidden) audit('log level', line, caller);
    return answer;
  }

  const switched: Readonly<Record<number, ApiAnswer>> = {
    200: { description: 'It is so; `changed` says whether it was not before.', schema: switchAnswer },
    ...NO_BODY_ANSWERS,
    404: NO_BACKEND,
    409: { description: 'The configuration file keeps it out.', schema: problem },
    503: { description: 'It cannot be written where it is kept; nothing has changed.', schema: problem },
  };
  const resets: Readonly<Record<number, ApiAnswer>> = {
    200: { description: 'The backends whose circuit was not closed.', schema: resetAnswer },
    409: NO_BREAKERS,
  };

  return [
    {
      method: 'POST',
      path: '/admin/v1/backends/:id/drain',
      access: 'admin',
      operationId: 'drain',
      summary: 'Takes a backend out for new clients. Live connections go on.',
      answers: switched,
      handle: (context, caller) => turn(context, caller, true),
    },
    {
      method: 'POST',
      path: '/admin/v1/backends/:id/undrain',
      access: 'admin',
      operationId: 'undrain',
      summary: 'Takes a backend in again.',
      answers: switched,
      handle: (context, caller) => turn(context, caller, false),
    },
    {
      method: 'POST',
      path: '/admin/v1/backends/:id/reset-breaker',
      access: 'admin',
      operationId: 'resetBreaker',
      summary: 'Closes the circuit of a backend, in this daemon.',
      answers: { ...resets, 404: NO_BACKEND },
      handle: (context, caller) => reset(context, caller, context.req.param('id') ?? ''),
    },
    {
      method: 'POST',
      path: '/admin/v1/breakers/reset',
      access: 'admin',
      operationId: 'resetBreakers',
      summary: 'Closes all circuits, in this daemon.',
      answers: resets,
      handle: (context, caller) => reset(context, caller),
    },
    {
      method: 'PUT',
      path: '/admin/v1/log-level',
      access: 'admin',
      operationId: 'setLogLevel',
      summary: 'Sets how much is logged, until the configuration says something new or the daemon ends.',
      body: levelBody,
      answers: { 200: { description: 'The level in force.', schema: levelAnswer }, ...BODY_ANSWERS },
      async handle(context, caller) {
        const body = await bodyOf(context, levelBody, 'the body: expected a JSON object of the field level');
        return body.ok ? context.json(await changeLevel(caller, body.value.level)) : body.answer;
      },
    },
    {
      method: 'DELETE',
      path: '/admin/v1/log-level',
      access: 'admin',
      operationId: 'resetLogLevel',
      summary: 'Logs as much as the configuration says.',
      answers: { 200: { description: 'The level in force.', schema: levelAnswer } },
      handle: async (context, caller) => context.json(await changeLevel(caller, undefined)),
    },
  ];
}
