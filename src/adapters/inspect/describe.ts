import { type AnyActorRef, type AnyStateMachine, StateMachine } from 'xstate';
import { type ChartLayout, layOutChart } from './chart-layout.ts';
import { chartOf } from './chart.ts';
import { describeMachine } from './definition.ts';
import { type Json, sanitize } from './sanitize.ts';

/** A machine as a looker gets it; one for all actors of it. What takes long is made at the first call. */
export interface MachineDescription {
  readonly chartId: string;
  readonly chart: () => ChartLayout;
  /** JSON text for the Stately inspector. */
  readonly definition: () => string;
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

const described = new WeakMap<object, MachineDescription>();
let lastChart = 0;

function machineOf(actor: AnyActorRef): AnyStateMachine | undefined {
  const logic: unknown = 'logic' in actor ? actor.logic : undefined;
  return logic instanceof StateMachine ? logic : undefined;
}

/** The machine that an actor runs; `undefined` when it runs something else, such as a promise. */
export function describeActor(actor: AnyActorRef): MachineDescription | undefined {
  const machine = machineOf(actor);
  if (machine === undefined) return undefined;
  // `.provide()` makes another machine of the same configuration.
  const known = described.get(machine.config);
  if (known !== undefined) return known;
  lastChart += 1;
  const description = {
    chartId: `${machine.id}-${lastChart}`,
    chart: once(() => layOutChart(chartOf(machine))),
    definition: once(() => JSON.stringify(describeMachine(machine.config))),
  };
  described.set(machine.config, description);
  return description;
}

const SHOWN = ['status', 'value', 'context', 'output', 'error'] as const;

/** A snapshot as data: status, state, context, output, error; nothing of the machinery. */
export function describeSnapshot(snapshot: unknown): Json {
  if (typeof snapshot !== 'object' || snapshot === null) return {};
  const fields: Readonly<Record<string, unknown>> = { ...snapshot };
  const shown = SHOWN.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]] as const]));
  const clean = shown.map(([name, value]) => [name, sanitize(value) ?? null] as const);
  const tags = fields['tags'] instanceof Set ? sanitize(fields['tags']) : undefined;
  return { ...Object.fromEntries(clean), ...(tags === undefined ? {} : { tags }), children: {} };
}
