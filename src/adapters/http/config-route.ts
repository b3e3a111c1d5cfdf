import { configuration } from './admin-answers.ts';
import type { ApiOperation } from './api-operation.ts';

/** `GET /admin/v1/config`: the configuration that the daemon goes by, as JSON. */
export function configRoute(describe: () => object): ApiOperation {
  return {
    method: 'GET',
    path: '/admin/v1/config',
    access: 'read',
    operationId: 'configuration',
    summary:
      'Every setting in force with where it comes from, and what is wanted and not in force. Secrets are masked.',
    answers: { 200: { description: 'All of them.', schema: configuration } },
    handle: (context) => context.json(describe()),
  };
}
