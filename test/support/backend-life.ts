import { createActor, SimulatedClock } from 'xstate';
import { backendMachine, type DownPolicy, phaseOf } from '../../src/machines/backend.ts';

/** A backend on a simulated clock, with half a minute to drain. */
export function aBackendLife(drainTimeoutMs = 30_000) {
  const clock = new SimulatedClock();
  const actor = createActor(backendMachine, { clock, input: { drainTimeoutMs, now: () => clock.now() } });
  const told: string[] = [];
  actor.on('PHASE_CHANGED', ({ phase }) => told.push(phase));
  actor.on('CUT', () => told.push('cut'));
  actor.start();
  return {
    told,
    remove: () => actor.send({ type: 'REMOVED' }),
    restore: () => actor.send({ type: 'RESTORED' }),
    idle: () => actor.send({ type: 'IDLE' }),
    down: (policy: DownPolicy) => actor.send({ type: 'WENT_DOWN', policy }),
    up: () => actor.send({ type: 'CAME_UP' }),
    change: (ms: number) => actor.send({ type: 'SETTINGS_CHANGED', drainTimeoutMs: ms }),
    pass: (ms: number) => clock.increment(ms),
    phase: () => phaseOf(actor.getSnapshot()),
    isOver: () => actor.getSnapshot().status === 'done',
  };
}
