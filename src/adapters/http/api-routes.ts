import { type ApiInfo, type ApiOperation, openApiOf } from './api-operation.ts';
import type { GuardedRoute } from './guarded-app.ts';

/** Operations, and the OpenAPI document of them at a path of its own, which everybody may read. */
export function apiRoutes(
  documentPath: string,
  info: ApiInfo,
  operations: readonly ApiOperation[],
): readonly GuardedRoute[] {
  const document = openApiOf(info, operations);
  return [
    ...operations,
    { method: 'GET', path: documentPath, access: 'page', handle: (context) => context.json(document) },
  ];
}
