import { configRoute } from '../adapters/http/config-route.ts';
import type { ApiOperation } from '../adapters/http/api-operation.ts';
import { planRoute } from '../adapters/http/plan-route.ts';
import { renderPlan } from '../config/render-plan.ts';
import type { LiveBackend } from '../domain/backend-plan.ts';
import type { ConfigReloads } from './config-reloads.ts';

/** What the admin listener says of the configuration, and of one that might take its place. */
export function configRoutes(
  reloads: ConfigReloads,
  live: () => readonly LiveBackend[],
): readonly ApiOperation[] {
  return [
    configRoute(() => reloads.describe()),
    planRoute({
      plan: (asked) => reloads.plan(asked, live),
      isValid: ({ isValid }) => isValid,
      render: renderPlan,
    }),
  ];
}
