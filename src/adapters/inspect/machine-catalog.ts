import { type AnyActorRef, type AnyStateMachine, StateMachine } from 'xstate';
import type { ChartDrawing } from '../../domain/chart-drawing.ts';

/** What knows how to show a machine. */
export interface MachineViews {
  /** Draws a machine; asked once for all actors of it, and only when somebody wants to see its chart. */
  readonly draw: (machine: AnyStateMachine) => Promise<ChartDrawing>;
  /** The configuration of a machine, without a secret, as JSON text for the Stately inspector. */
  readonly describe: (machine: AnyStateMachine) => string;
}

/** A machine as a looker gets it; one for all actors of it. What takes long is made at the first call. */
export interface MachineDescription {
  readonly chartId: string;
  readonly definition: () => string;
  readonly drawing: () => Promise<ChartDrawing>;
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** As `once`, but a failure is not kept. */
function onceDone<T>(make: () => Promise<T>): () => Promise<T> {
  let making: Promise<T> | undefined;
  return () =>
    (making ??= make().catch((error: unknown) => {
      making = undefined;
      throw error;
    }));
}

function machineOf(actor: AnyActorRef): AnyStateMachine | undefined {
  const logic: unknown = 'logic' in actor ? actor.logic : undefined;
  return logic instanceof StateMachine ? logic : undefined;
}

/** The machines that lookers have met. */
export class MachineCatalog {
  readonly #views: MachineViews;
  readonly #byConfig = new WeakMap<object, MachineDescription>();
  readonly #byChartId = new Map<string, MachineDescription>();

  constructor(views: MachineViews) {
    this.#views = views;
  }

  /** The machine that an actor runs; `undefined` when it runs something else, such as a promise. */
  ofActor(actor: AnyActorRef): MachineDescription | undefined {
    const machine = machineOf(actor);
    if (machine === undefined) return undefined;
    // `.provide()` makes another machine of the same configuration.
    const known = this.#byConfig.get(machine.config);
    if (known !== undefined) return known;
    const description = {
      chartId: `${machine.id}-${this.#byChartId.size + 1}`,
      definition: once(() => this.#views.describe(machine)),
      drawing: onceDone(() => this.#views.draw(machine)),
    };
    this.#byConfig.set(machine.config, description);
    this.#byChartId.set(description.chartId, description);
    return description;
  }

  /** `undefined` for an id that no actor was ever told with. */
  ofChartId(chartId: string): MachineDescription | undefined {
    return this.#byChartId.get(chartId);
  }
}
