import type { AdminRoute } from './admin-app.ts';

/** `GET /admin/v1/config`: the configuration that the daemon goes by, as JSON. */
export function configRoute(describe: () => object): AdminRoute {
  return {
    method: 'GET',
    path: '/admin/v1/config',
    access: 'token',
    handle: (context) => context.json(describe()),
  };
}
