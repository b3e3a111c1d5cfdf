import { z } from 'zod';
import type { RegisteredBackend } from '../../domain/registration.ts';

export const problemOfId = z.strictObject({ id: z.string(), error: z.string() });
const seconds = z.int().min(0);
export const backendStatus = z.strictObject({
  id: z.string(),
  app: z.string(),
  region: z.string(),
  ip: z.string(),
  port: z.int(),
  healthy: z.boolean(),
  last_heartbeat_secs: seconds,
  registered_secs: seconds,
});
export const health = z.strictObject({
  status: z.literal('ok'),
  version: z.string(),
  registered_backends: z.int().min(0),
});
export const registered = z.strictObject({
  id: z.string(),
  registered: z.literal(true),
  message: z.string(),
});
export const heard = z.strictObject({ id: z.string(), status: z.literal('ok') });
export const listed = z.strictObject({ backends: z.array(backendStatus), total: z.int().min(0) });
export const deregistered = z.strictObject({ id: z.string(), deregistered: z.literal(true) });

const wholeSeconds = (ms: number): number => Math.floor(ms / 1000);

/** A registered backend as the API shows it. `healthy` is what the registration says: neither probe nor breaker. */
export function statusOf({
  backend,
  heardMsAgo,
  registeredMsAgo,
  ttlMs,
}: RegisteredBackend): z.output<typeof backendStatus> {
  const { id, app, region, host, port, adminUp, deleted, expired } = backend;
  return {
    id,
    app,
    region,
    ip: host,
    port,
    healthy: adminUp && !deleted && expired !== true && heardMsAgo < ttlMs,
    last_heartbeat_secs: wholeSeconds(heardMsAgo),
    registered_secs: wholeSeconds(registeredMsAgo),
  };
}
