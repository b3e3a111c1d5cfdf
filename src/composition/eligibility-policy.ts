import type { Settings } from '../config/schema.ts';
import type { EligibilityPolicy } from '../domain/eligibility.ts';

/** Who is left out of sets, as the settings want it. */
export function eligibilityPolicyOf(settings: Settings): EligibilityPolicy {
  return {
    excludesUnchecked: settings.health_check.initial === 'unhealthy',
    panicThresholdPercent: settings.panic_threshold_percent,
    panicsByApp: separatesApps(settings),
  };
}

function separatesApps({ app, routes, tls }: Settings): boolean {
  const hasNames = tls.default_app !== undefined || Object.keys(tls.server_names).length > 0;
  return app !== undefined || routes.length > 0 || (tls.enabled && hasNames);
}
