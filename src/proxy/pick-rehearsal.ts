import type { EligibleSet } from '../domain/eligibility.ts';
import { incarnationOf } from '../domain/backend.ts';
import { type Explanation, explainPick, type Standing } from '../domain/pick-explanation.ts';
import type { ClientGeo } from '../domain/geo.ts';
import type { GeoResolver } from '../domain/ports.ts';
import type { Affinity } from './affinity.ts';
import type { App } from './apps.ts';
import type { Directory } from './directory.ts';
import { IpAddress } from './ip-address.ts';
import type { SharedState } from './shared-state.ts';

export interface PickRehearsalOptions {
  readonly ownRegion: string;
  readonly directory: Directory;
  readonly state: Pick<SharedState, 'occupancy' | 'gates'>;
  readonly affinity: Affinity;
}

export interface RehearsedPick extends Explanation {
  readonly location: ClientGeo | undefined;
}

/** Says what a client would get that came now, from what the threads share; takes nothing, and asks no thread. */
export class PickRehearsal {
  readonly #options: PickRehearsalOptions;

  constructor(options: PickRehearsalOptions) {
    this.#options = options;
  }

  /**
   * `undefined` while a thread has the table of bindings: to be asked again.
   *
   * @param client an address in text form
   * @param set the one in force
   * @param app that it comes for
   */
  explain(client: string, set: EligibleSet, geo: GeoResolver, app: App): RehearsedPick | undefined {
    const { ownRegion, directory, affinity } = this.#options;
    const address = IpAddress.of(client);
    const tenancy = affinity.peek(address, app.number);
    if (tenancy === undefined) return undefined;
    const bound = tenancy < 0 ? undefined : directory.slots.holding(tenancy)?.incarnation;
    const location = geo.isEmpty ? undefined : geo.locate(address.text);
    const standings = [
      ...set.eligible.map(({ backend }) => this.#standing({ backend, exclusion: undefined }, bound)),
      ...set.excluded.map(({ backend, reason }) => this.#standing({ backend, exclusion: reason }, bound)),
    ];
    const ofApp = standings.filter(({ backend }) => app.name === undefined || backend.app === app.name);
    return { location, ...explainPick(ofApp, { client: location, ownRegion }) };
  }

  #standing(one: Pick<Standing, 'backend' | 'exclusion'>, bound: string | undefined): Standing {
    const { directory, state } = this.#options;
    const incarnation = incarnationOf(one.backend);
    const occupant = directory.slots.of(incarnation);
    return {
      ...one,
      active: occupant === undefined ? 0 : state.occupancy.of(occupant.slot),
      isShut: occupant !== undefined && state.gates.isShut(occupant.slot),
      isBound: incarnation === bound,
    };
  }
}
