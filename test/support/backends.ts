import type { Backend } from '../../src/domain/backend.ts';
import { deriveEligibleSet, type EligibleSet, type Member, memberOf } from '../../src/domain/eligibility.ts';

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

/** A healthy backend with an open gate that does not drain, unless said otherwise. */
export function aMember(fields: Partial<Backend> = {}, state: Partial<Omit<Member, 'backend'>> = {}): Member {
  return { ...memberOf(aBackend(fields)), ...state };
}

/** The set that these backends make when nothing but their rows counts. */
export function aSet(backends: readonly Backend[], version = 1): EligibleSet {
  const policy = { excludesUnchecked: false, panicThresholdPercent: 0 };
  return deriveEligibleSet(
    backends.map((backend) => aMember(backend)),
    version,
    policy,
  );
}
