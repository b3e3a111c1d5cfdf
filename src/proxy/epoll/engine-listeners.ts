import { overlap } from '../../domain/listen-address.ts';
import type { ListenAddress, ProxyListener } from '../../domain/ports.ts';
import type { App, Apps } from '../apps.ts';
import { planListeners, servesAlike } from '../listener-plan.ts';
import type { Sys } from '../sys/sys.ts';
import { bindListeners, type Listener } from './bind-listener.ts';
import type { ListenerDesk } from './listener-desk.ts';
import type { TuningSettings } from './tuning.ts';

export interface EngineListenersOptions {
  readonly sys: Sys;
  readonly apps: Apps;
  /** Each address has a listener for each of them. */
  readonly threads: number;
  readonly settings: { readonly tuning: TuningSettings };
}

/** The listeners of one address. */
interface Bound extends ProxyListener {
  readonly boundAddress: ListenAddress;
  readonly fds: readonly number[];
}

/** The addresses that an engine listens on. */
export class EngineListeners {
  readonly #options: EngineListenersOptions;
  readonly #desk: ListenerDesk;
  readonly #settled: () => Promise<void>;
  #present: readonly Bound[] = [];

  /** @param settled resolves when every thread has done what the desk has told it so far */
  constructor(options: EngineListenersOptions, desk: ListenerDesk, settled: () => Promise<void>) {
    this.#options = options;
    this.#desk = desk;
    this.#settled = settled;
  }

  /** Binds what is new, then has the desk let go of what is not wanted. Fails with `ERR_LISTEN`, changing nothing. */
  async listen(wanted: readonly ProxyListener[]): Promise<readonly ListenAddress[]> {
    const { kept, dropped } = planListeners(this.#present, wanted);
    const apps = wanted.map((one) => this.#options.apps.ofListener(one));
    const bound = this.#bindMissing(kept, wanted);
    for (const [index, one] of bound.entries()) this.#hand(one, apps[index]!, kept[index]);
    for (const { fds, boundAddress } of dropped) {
      const isShared = bound.some((one) => overlap(one.boundAddress, boundAddress));
      this.#desk.close(fds, isShared);
    }
    this.#present = bound;
    if (kept.some((before, index) => before !== undefined && !servesAlike(before, wanted[index]!)))
      await this.#settled();
    return bound.map(({ boundAddress }) => boundAddress);
  }

  #hand(bound: Bound, app: App, before: Bound | undefined): void {
    if (before === undefined) this.#desk.open(bound.fds, app);
    else if (!servesAlike(before, bound)) this.#desk.serve(bound.fds, app);
  }

  #bindMissing(kept: readonly (Bound | undefined)[], wanted: readonly ProxyListener[]): readonly Bound[] {
    const { sys } = this.#options;
    const added: Listener[] = [];
    try {
      return wanted.map((one, index) => {
        const before = kept[index];
        if (before !== undefined) return { ...one, boundAddress: before.boundAddress, fds: before.fds };
        const listeners = this.#bind(one);
        added.push(...listeners);
        return { ...one, boundAddress: listeners[0]!.address, fds: listeners.map(({ fd }) => fd) };
      });
    } catch (error) {
      for (const { fd } of added) sys.close(fd);
      throw error;
    }
  }

  #bind({ setting, address }: ProxyListener): readonly Listener[] {
    const { sys, threads, settings } = this.#options;
    const isOwnPort = this.#present.some(({ boundAddress }) => overlap(address, boundAddress));
    return bindListeners(threads, {
      sys,
      address,
      addressSetting: setting,
      tuning: settings.tuning,
      isOwnPort,
    });
  }
}
