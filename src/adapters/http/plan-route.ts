import { z } from 'zod';
import type { GuardedContext, GuardedRoute } from './guarded-app.ts';

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
  readonly plan: (asked: AskedPlan) => Plan;
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
}: PlanRouteOptions<Plan>): GuardedRoute {
  return {
    method: 'POST',
    path: '/admin/v1/plan',
    access: 'admin',
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
      const planned = plan(asked.data);
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
