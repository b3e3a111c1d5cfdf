import { fromPromise, SimulatedClock } from 'xstate';
import type { FamilyPolicy } from '../../src/composition/backend-family.ts';
import { Fleet, type FleetOptions } from '../../src/composition/fleet.ts';
import { incarnationOf } from '../../src/domain/backend.ts';
import { deriveEligibleSet, type EligibleSet, EMPTY_SET, type Member } from '../../src/domain/eligibility.ts';
import type { ProbeResult } from '../../src/domain/health.ts';
import { healthCheckerMachine, type ProbeInput } from '../../src/machines/health-checker.ts';
import { aRouter, type Place, silentLogger } from './proxy.ts';

export const POLICY = { excludesUnchecked: false, panicThresholdPercent: 0 };
export const CIRCUIT = { failureThreshold: 3, successThreshold: 2, openMs: 10_000, leaseMs: 5_000 };
export const CHECK = {
  check: { type: 'tcp' },
  intervalMs: 1_000,
  timeoutMs: 500,
  healthyThreshold: 2,
  unhealthyThreshold: 3,
} as const;

/** Tests make thousands of fleets, and counters for all the slots of a daemon are what costs them most. */
const MAX_SLOTS = 64;

/** Lets promises and microtasks that are due run. */
export async function settle(): Promise<void> {
  await new Promise(setImmediate);
}

/**
 * A fleet whose sets go straight to a router, on a simulated clock. `sick` holds the ports whose probes fail. With
 * `appliesLate`, sets come into force only when the test calls `apply()`.
 */
export function aFleet({
  appliesLate = false,
  ...options
}: Partial<FleetOptions & FamilyPolicy> & { readonly appliesLate?: boolean } = {}) {
  const clock = new SimulatedClock();
  const now = (): number => clock.now();
  const { router, counters, slots, directory, applySet } = aRouter({
    now,
    random: () => 0.5,
    maxSlots: MAX_SLOTS,
  });
  const sick = new Set<number>();
  const cuts: string[] = [];
  const transitions: string[] = [];
  const probed: number[] = [];
  const probe = fromPromise<ProbeResult, ProbeInput>(({ input: { port } }) => {
    probed.push(port);
    return Promise.resolve(
      sick.has(port) ? { ok: false, latencyMs: 1, error: 'refused' } : { ok: true, latencyMs: 1 },
    );
  });
  const checker = healthCheckerMachine.provide({ actors: { probe } });
  const policy: FamilyPolicy = {
    drainTimeoutMs: 30_000,
    downPolicy: 'keep',
    circuit: CIRCUIT,
    checker,
    checkSettingsOf: () => CHECK,
    ...options,
  };
  const fleet = new Fleet(policy, {
    now,
    random: () => 0,
    clock,
    logger: silentLogger,
    activeOf: (incarnation) => directory.activeOf(incarnation),
    routesTo: (incarnation) => router.routesTo(incarnation),
    cut: (incarnation) => cuts.push(incarnation),
    onTransition: (cause) => transitions.push(cause),
    onProbed: () => {},
    ...options,
  });
  const members = new Map<string, Member>();
  let set: EligibleSet = EMPTY_SET;
  fleet.changes$.subscribe((changes) => {
    for (const { incarnation, member } of changes) {
      if (member === undefined) members.delete(incarnation);
      else members.set(incarnation, member);
    }
    set = deriveEligibleSet([...members.values()], set.version + 1, POLICY);
    if (!appliesLate) apply();
  });
  function apply(): void {
    applySet(set);
    queueMicrotask(() => fleet.applied());
  }
  return {
    fleet,
    policy,
    /** Of checks that are on. */
    checker,
    router,
    counters,
    slots,
    clock,
    sick,
    cuts,
    transitions,
    probed,
    apply,
    set: () => set,
    eligibleIds: () => set.eligible.map(({ backend }) => backend.id),
    exclusions: () => Object.fromEntries(set.excluded.map(({ backend, reason }) => [backend.id, reason])),
    /** Takes a place, or tells why there is none; a trial is reported as the engine reports it. */
    enter(client: string): Place | string {
      const place = router.enter(client, []);
      if (typeof place !== 'string' && place.permit !== undefined) {
        fleet.report([{ incarnation: incarnationOf(place.backend), epoch: place.epoch, result: 'trial' }]);
      }
      return place;
    },
    /** Tells the outcome of a connection, and lets the fleet act on it. */
    async report(place: Place, result: 'success' | 'failure') {
      router.settle(place, result);
      const about = { incarnation: incarnationOf(place.backend), epoch: place.epoch };
      fleet.report([
        result === 'success'
          ? { ...about, result }
          : { ...about, result, cause: 'refused', detail: 'connection refused' },
      ]);
      await settle();
    },
    /** Moves time on in small steps, so that chained delays run. */
    async advance(ms: number) {
      for (let left = ms; left > 0; left -= 500) {
        clock.increment(Math.min(500, left));
        await settle();
      }
    },
  };
}
