import { z } from 'zod';
import { plan as planAnswer, refusedPlan } from './admin-answers.ts';
import { type ApiOperation, problem as problemAnswer } from './api-operation.ts';
import type { GuardedContext } from './guarded-app.ts';

/** Tables of tens of thousands of rows. */
const MAX_BODY_BYTES = 16 * 1_024 * 1_024;

const settingRow = z.strictObject({
  key: z.string(),
  value: z.unknown(),
  region: z.string().nullable(),
  node: z.string().nullable(),
});

const candidate = z.strictObject({
  file: z.strictObject({ path: z.string(), content: z.string() }).optional(),
  settingRows: z.array(settingRow).optional(),
  backendRows: z.array(z.unknown()).optional(),
});

/** What is asked: other content of the sources of a configuration. */
export type AskedPlan = z.output<typeof candidate>;

export interface PlanRouteOptions<Plan> {
  /** Must not change anything. */
  readonly plan: (asked: AskedPlan) => Promise<Plan>;
  readonly isValid: (plan: Plan) => boolean;
  /** For who accepts text. */
  readonly render: (plan: Plan) => string;
}

/**
 * `POST /admin/v1/plan`: what the daemon would do with another file, or with other rows, and nothing is done.
 *
 * 200 with the plan, 422 with what would be refused; as text for who accepts `text/plain`, else as JSON. 400 for
 * a body that asks nothing of the kind, 411 and 413 for one of unknown length, or longer than 16 MiB.
 */
export function planRoute<Plan extends object>({
  plan,
  isValid,
  render,
}: PlanRouteOptions<Plan>): ApiOperation {
  return {
    method: 'POST',
    path: '/admin/v1/plan',
    access: 'admin',
    operationId: 'plan',
    summary: 'What other content of the sources of the configuration would do. Changes nothing.',
    body: candidate,
    answers: {
      200: { description: 'What would be done; as text for who accepts text/plain.', schema: planAnswer },
      400: {
        description: 'The body asks nothing of the kind; the error names the field.',
        schema: problemAnswer,
      },
      411: { description: 'The length of the body is not announced.', schema: problemAnswer },
      413: { description: 'The body is larger than 16 MiB.', schema: problemAnswer },
      422: { description: 'What would be refused, and why.', schema: refusedPlan },
    },
    async handle(context) {
      const problem = problemOfLength(context);
      if (problem !== undefined) return problem;
      const asked = candidate.safeParse(await jsonOf(context));
      if (!asked.success) {
        const problems = asked.error.issues.map(
          ({ path, message }) => `${path.join('.') || 'body'}: ${message}`,
        );
        return context.json({ error: problems.join('; ') }, 400);
      }
      const planned = await plan(asked.data);
      const status = isValid(planned) ? 200 : 422;
      const wantsText = context.req.header('accept')?.includes('text/plain') === true;
      return wantsText ? context.text(`${render(planned)}\n`, status) : context.json(planned, status);
    },
  };
}

function problemOfLength(context: GuardedContext): Response | undefined {
  const length = context.req.header('content-length');
  if (length === undefined) return context.json({ error: 'send the length of the body' }, 411);
  if (Number(length) <= MAX_BODY_BYTES) return undefined;
  return context.json({ error: `the body has ${length} bytes: expected ${MAX_BODY_BYTES} at most` }, 413);
}

async function jsonOf(context: GuardedContext): Promise<unknown> {
  const text = await context.req.text();
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
