import { type ActorRefFrom, waitFor } from 'xstate';
import type { ConfigChange } from '../config/diff.ts';
import type { Hindrances } from '../config/plan.ts';
import type { Settings } from '../config/schema.ts';
import { type lifecycleMachine, lifecycleStateOf } from '../machines/lifecycle.ts';
import { type AppliedSettings, applySettings, type SettingsTakers } from './apply-settings.ts';
import { trySettings } from './try-settings.ts';

/** Brings changes into force in a daemon that has started, one after the other. */
export class SettingsInTurn {
  readonly #lifecycle: ActorRefFrom<typeof lifecycleMachine>;
  readonly #takers: SettingsTakers;
  #last: Promise<unknown> = Promise.resolve();

  constructor(lifecycle: ActorRefFrom<typeof lifecycleMachine>, takers: SettingsTakers) {
    this.#lifecycle = lifecycle;
    this.#takers = takers;
  }

  /** Once the daemon has ended, nobody takes anything over, and nothing is refused. */
  apply(change: ConfigChange): Promise<AppliedSettings> {
    const ended = { settings: change.settings, refused: [] };
    return this.run(() => applySettings(change, this.#takers), ended);
  }

  /** What would come in the way of a change; nothing of it is done. @param running what is in force */
  tryOut(running: Settings, change: ConfigChange): Promise<Hindrances> {
    const work = () => trySettings(running, change, this.#lifecycle.getSnapshot().matches('running'));
    return this.run(work, new Map());
  }

  /** Does something beside changes. @param otherwise what it comes to once the daemon has ended */
  run<Result>(work: () => Promise<Result>, otherwise: Result): Promise<Result> {
    const own = this.#last.then(() => this.#whileAlive(work, otherwise));
    this.#last = own.catch(() => undefined);
    return own;
  }

  async #whileAlive<Result>(work: () => Promise<Result>, otherwise: Result): Promise<Result> {
    await waitFor(this.#lifecycle, (snapshot) => !snapshot.matches('starting'), { timeout: Infinity });
    const state = lifecycleStateOf(this.#lifecycle.getSnapshot());
    return state === 'running' || state === 'draining' ? work() : otherwise;
  }
}
