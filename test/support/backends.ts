import type { Backend } from '../../src/domain/backend.ts';

/** A backend with everything filled in; name what the test is about. */
export function aBackend(fields: Partial<Backend> = {}): Backend {
  return {
    id: 'b1',
    app: 'demo',
    region: 'sa',
    country: 'BR',
    host: '127.0.0.1',
    port: 9000,
    adminUp: true,
    weight: 1,
    softLimit: 100,
    hardLimit: 150,
    deleted: false,
    ...fields,
  };
}
