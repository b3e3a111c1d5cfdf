import { goesByServerName } from './proxy-listeners.ts';
import type { Settings } from '../config/schema.ts';
import type { EligibilityPolicy } from '../domain/eligibility.ts';

/** Who is left out of sets, as the settings want it. */
export function eligibilityPolicyOf(settings: Settings): EligibilityPolicy {
  const { app, routes } = settings;
  return {
    excludesUnchecked: settings.health_check.initial === 'unhealthy',
    panicThresholdPercent: settings.panic_threshold_percent,
    panicsByApp: app !== undefined || routes.length > 0 || goesByServerName(settings),
  };
}
