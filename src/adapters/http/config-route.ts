import type { GuardedRoute } from './guarded-app.ts';

/** `GET /admin/v1/config`: the configuration that the daemon goes by, as JSON. */
export function configRoute(describe: () => object): GuardedRoute {
  return {
    method: 'GET',
    path: '/admin/v1/config',
    access: 'admin',
    handle: (context) => context.json(describe()),
  };
}
