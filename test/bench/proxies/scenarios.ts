/** What is measured, in the order in which a proxy that has just started goes through it. */
export type Scenario = TrafficScenario | IdleScenario | StartScenario;

/** What the CPU of a proxy is divided by. */
export type Unit = 'GB' | 'connection' | 'request';

interface Named {
  /** As on the command line. */
  readonly key: string;
  /** As in tables. */
  readonly title: string;
}

export interface TrafficScenario extends Named {
  readonly kind: 'traffic';
  readonly mode: 'short' | 'kept' | 'down' | 'up';
  readonly streams: number;
  readonly unit: Unit;
}

export interface IdleScenario extends Named {
  readonly kind: 'idle';
  readonly connections: number;
}

export interface StartScenario extends Named {
  readonly kind: 'start';
}

const kept = (streams: number): TrafficScenario => ({
  key: `kept-${streams}`,
  title: `kept connections, ${streams.toLocaleString('en')}`,
  kind: 'traffic',
  mode: 'kept',
  streams,
  unit: 'request',
});

const bulk = (mode: 'down' | 'up', streams: number): TrafficScenario => ({
  key: `${mode}-${streams}`,
  title: `bulk ${mode}, ${streams} ${streams === 1 ? 'stream' : 'streams'}`,
  kind: 'traffic',
  mode,
  streams,
  unit: 'GB',
});

export const SCENARIOS: readonly Scenario[] = [
  { key: 'start', title: 'start', kind: 'start' },
  { key: 'idle', title: 'idle connections, 5,000', kind: 'idle', connections: 5_000 },
  kept(64),
  kept(1_000),
  {
    key: 'short',
    title: 'short connections, 32 at a time',
    kind: 'traffic',
    mode: 'short',
    streams: 32,
    unit: 'connection',
  },
  bulk('down', 1),
  bulk('down', 8),
  bulk('up', 1),
  bulk('up', 8),
];

/** How much of everything: enough for steady figures, or for a look. */
export interface Effort {
  readonly rounds: number;
  /** Exchanges before the measurement: a number, as it is use and not time that makes a program warm. */
  readonly warmUp: { readonly kept: number; readonly short: number };
  readonly measuredMs: number;
  /** Over all streams. */
  readonly warmUpBytes: number;
  readonly measuredBytes: number;
}

export const FULL: Effort = {
  rounds: 5,
  warmUp: { kept: 50_000, short: 25_000 },
  measuredMs: 700,
  warmUpBytes: 150e6,
  measuredBytes: 750e6,
};

export const QUICK: Effort = {
  rounds: 1,
  warmUp: { kept: 50_000, short: 25_000 },
  measuredMs: 400,
  warmUpBytes: 100e6,
  measuredBytes: 500e6,
};

/** The last two arguments of the load generator: how much before, and how much during the measurement. */
export function amountsOf({ mode, streams }: TrafficScenario, effort: Effort): readonly [number, number] {
  if (mode === 'short' || mode === 'kept') return [effort.warmUp[mode], effort.measuredMs];
  return [Math.ceil(effort.warmUpBytes / streams), Math.ceil(effort.measuredBytes / streams)];
}

/** Units that one completed exchange of the load generator stands for. */
export function unitsOf(scenario: TrafficScenario, effort: Effort): number {
  return scenario.unit === 'GB' ? amountsOf(scenario, effort)[1] / 1e9 : 1;
}
