import type { Settings } from '../config/schema.ts';
import type { EligibilityPolicy } from '../domain/eligibility.ts';

/** Who is left out of sets, as the settings want it. */
export function eligibilityPolicyOf(settings: Settings): EligibilityPolicy {
  return {
    excludesUnchecked: settings.health_check.initial === 'unhealthy',
    panicThresholdPercent: settings.panic_threshold_percent,
    panicsByApp: settings.app !== undefined || settings.routes.length > 0,
  };
}
