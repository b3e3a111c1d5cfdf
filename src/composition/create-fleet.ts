import { fromPromise } from 'xstate';
import type { Settings } from '../config/schema.ts';
import type { Backend } from '../domain/backend.ts';
import type { HealthCheck, HealthCheckSettings, Probe, ProbeResult } from '../domain/health.ts';
import type { Logger } from '../domain/ports.ts';
import { healthCheckerMachine, type ProbeInput } from '../machines/health-checker.ts';
import type { FamilyPolicy } from './backend-family.ts';
import { Fleet, type FleetOptions } from './fleet.ts';

export interface CreateFleetOptions extends Pick<
  FleetOptions,
  'activeOf' | 'routesTo' | 'cut' | 'onTransition' | 'onProbed' | 'now' | 'random'
> {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly probe: Probe;
}

/** A fleet, and what has it go by other settings. */
export interface ConfiguredFleet {
  readonly fleet: Fleet;
  readonly follow: (settings: Settings) => void;
}

/** The fleet as the settings want it: breakers and checkers where they are on. */
export function createFleet({ settings, probe, ...options }: CreateFleetOptions): ConfiguredFleet {
  const checker = healthCheckerMachine.provide({
    actors: {
      probe: fromPromise<ProbeResult, ProbeInput>(({ input, signal }) =>
        probe(input, input.settings, signal),
      ),
    },
  });
  const fleet = new Fleet(policyOf(settings, checker), options);
  return { fleet, follow: (next) => fleet.follow(policyOf(next, checker)) };
}

function policyOf(settings: Settings, checker: typeof healthCheckerMachine): FamilyPolicy {
  const { circuit_breaker: circuit, health_check: health } = settings;
  return {
    drainTimeoutMs: settings.drain_timeout_secs * 1000,
    downPolicy: health.on_down,
    circuit: circuit.enabled
      ? {
          failureThreshold: circuit.failure_threshold,
          successThreshold: circuit.success_threshold,
          openMs: circuit.timeout_secs * 1000,
          leaseMs: circuit.lease_secs * 1000,
        }
      : undefined,
    checker: health.enabled ? checker : undefined,
    checkSettingsOf: (backend) => checkSettings(settings, backend),
  };
}

/** The check of a backend: that of the settings, with what its row says instead. */
function checkSettings(
  { health_check: health, proxy_protocol: { send } }: Settings,
  { health: own = {}, proxyProtocol }: Backend,
): HealthCheckSettings {
  const type = own.type ?? health.type;
  const check: HealthCheck =
    type === 'tcp'
      ? { type }
      : { type, path: own.path ?? health.path, expectedStatus: own.expectedStatus ?? health.expected_status };
  return {
    check,
    header: proxyProtocol ?? send,
    intervalMs: health.interval_secs * 1000,
    timeoutMs: health.timeout_secs * 1000,
    healthyThreshold: health.healthy_threshold,
    unhealthyThreshold: health.unhealthy_threshold,
  };
}
