import { z } from 'zod';
import { EXCLUSION_REASONS } from '../../domain/eligibility.ts';
import { CONNECTION_STATES } from '../../domain/live-connections.ts';
import { PICK_VERDICTS, TIER_NAMES } from '../../domain/pick-explanation.ts';

const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;

const count = z.int().min(0);
const seconds = z.number().min(0);
const reason = z.enum(EXCLUSION_REASONS);
export const level = z.enum(LOG_LEVELS, `expected one of ${LOG_LEVELS.join(', ')}`);

/** What a page before has given, for the one behind it. */
const next = z.string().nullable();

const identity = {
  id: z.string(),
  /** `HOST:PORT`. */
  address: z.string(),
  app: z.string(),
  region: z.string(),
  country: z.string(),
};

export const eligibleSet = z.strictObject({
  version: count,
  isPanic: z.boolean(),
  eligible: count,
  excluded: count,
  backends: z.array(z.strictObject({ ...identity, isEligible: z.boolean(), reason: reason.nullable() })),
  next,
});

/** One incarnation of a backend with everything that is known of it. */
export const backendState = z.strictObject({
  ...identity,
  weight: count,
  softLimit: count,
  hardLimit: count,
  /** What its owner says. */
  adminUp: z.boolean(),
  isEligible: z.boolean(),
  reason: reason.nullable(),
  life: z.enum(['active', 'draining', 'gone']),
  connections: count,
  health: z
    .strictObject({
      verdict: z.enum(['unknown', 'healthy', 'unhealthy']),
      sinceSecs: seconds,
      lastLatencyMs: z.number().nullable(),
      lastError: z.string().nullable(),
      successes: count,
      failures: count,
    })
    .nullable(),
  breaker: z
    .strictObject({
      state: z.enum(['closed', 'open', 'halfOpen']),
      failures: count,
      successes: count,
      triedAgainInSecs: seconds.nullable(),
    })
    .nullable(),
  lease: z
    .strictObject({
      isExpired: z.boolean(),
      heardSecsAgo: seconds.nullable(),
      ttlSecs: seconds.nullable(),
    })
    .nullable(),
});

export type BackendState = z.output<typeof backendState>;

export const backendPage = z.strictObject({
  setVersion: count,
  /** Who goes by a drain: every daemon of the database, or this one. */
  drainScope: z.enum(['database', 'daemon']),
  backends: z.array(backendState),
  next,
});

export const connectionPage = z.strictObject({
  connections: z.array(
    z.strictObject({
      client: z.string(),
      clientPort: z.int().nullable(),
      app: z.string().nullable(),
      state: z.enum(CONNECTION_STATES),
      backend: z.strictObject({ id: z.string(), address: z.string() }).nullable(),
      since: z.iso.datetime(),
      bytesSent: count,
      bytesReceived: count,
    }),
  ),
  next,
});

export const resetAnswer = z.strictObject({ reset: z.array(z.string()) });

export const switchAnswer = z.strictObject({
  id: z.string(),
  isDrained: z.boolean(),
  changed: z.boolean(),
  scope: z.enum(['database', 'daemon']),
});

export const levelAnswer = z.strictObject({ level, setting: level, isOverridden: z.boolean() });

export const explanation = z.strictObject({
  client: z.string(),
  location: z.strictObject({ country: z.string(), region: z.string().nullable() }).nullable(),
  setVersion: count,
  isPanic: z.boolean(),
  result: z.enum(['bound', 'picked', 'all_full', 'no_backend']),
  backends: z.array(
    z.strictObject({
      ...identity,
      verdict: z.enum([...PICK_VERDICTS, ...EXCLUSION_REASONS]),
      why: z.string(),
      share: z.number().min(0).max(1),
      tier: z.enum(TIER_NAMES),
      score: z.number().nullable(),
      connections: count,
      weight: count,
      softLimit: count,
      hardLimit: count,
    }),
  ),
  leftOut: count,
});

const origin = z.looseObject({ from: z.string() });

export const configuration = z.strictObject({
  region: z.string(),
  node: z.string(),
  settings: z.array(
    z.strictObject({
      key: z.string(),
      value: z.unknown(),
      unit: z.string().optional(),
      reload: z.boolean(),
      origin,
    }),
  ),
  pending: z.array(
    z.strictObject({
      key: z.string(),
      value: z.unknown(),
      wanted: z.unknown(),
      reason: z.enum(['restart', 'refused']),
    }),
  ),
});

export const plan = z.strictObject({
  isValid: z.literal(true),
  settings: z.array(
    z.strictObject({
      key: z.string(),
      old: z.string(),
      new: z.string(),
      takesEffect: z.enum(['at once', 'after a restart', 'refused', 'not known']),
      /** Of what would be refused, or is not known. */
      reason: z.string().optional(),
    }),
  ),
  backends: z.array(z.looseObject({ kind: z.string() })),
  skipped: z.array(z.strictObject({ id: z.string(), problems: z.array(z.string()) })),
  /** Settings that would have no effect. */
  warnings: z.array(z.string()),
  drainTimeoutSecs: count,
});

export const refusedPlan = z.strictObject({ isValid: z.literal(false), problems: z.array(z.string()) });
