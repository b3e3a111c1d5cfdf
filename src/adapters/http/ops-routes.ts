import type { Role } from '../../domain/access.ts';
import type { GuardedRoute } from './guarded-app.ts';

export interface OpsRoutesOptions {
  readonly metricsPath: string;
  readonly metricsContentType: string;
  /** Who may see the metrics. */
  readonly access: Role | 'page';
  readonly scrape: () => Promise<string>;
  /** `undefined` when ready, otherwise why not. */
  readonly notReady: () => string | undefined;
}

/**
 * The metrics, `/healthz` (200 while the process lives) and `/readyz` (503 with the reason when not); whoever looks
 * whether the daemon is well needs no token.
 */
export function opsRoutes(options: OpsRoutesOptions): readonly GuardedRoute[] {
  const { metricsPath, metricsContentType, access, scrape, notReady } = options;
  return [
    {
      method: 'GET',
      path: metricsPath,
      access,
      handle: async (context) => context.body(await scrape(), 200, { 'content-type': metricsContentType }),
    },
    { method: 'GET', path: '/healthz', access: 'page', handle: (context) => context.text('ok\n') },
    {
      method: 'GET',
      path: '/readyz',
      access: 'page',
      handle(context) {
        const reason = notReady();
        return reason === undefined ? context.text('ready\n') : context.text(`${reason}\n`, 503);
      },
    },
  ];
}
