import type { Threads } from './contestants.ts';

/** What is measured, in the order in which a proxy that has just started goes through it. */
export type Scenario = TrafficScenario | IdleScenario | StartScenario;

/** What the CPU of a proxy is divided by. */
export type Unit = 'GB' | 'connection' | 'handshake' | 'request';

/** The key of the certificate that a proxy ends TLS with: RSA of 2048 bits, or P-256. */
export type ServerKey = 'rsa' | 'p256';

interface Named {
  /** Clients speak TLS, to a proxy that has a certificate with this key; absent: they do not. */
  readonly serverKey?: ServerKey;
  /** As on the command line. */
  readonly key: string;
  /** As in tables. */
  readonly title: string;
}

export interface TrafficScenario extends Named {
  readonly kind: 'traffic';
  readonly mode: 'short' | 'resumed' | 'kept' | 'down' | 'up';
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

const KEY_TITLES = { rsa: 'RSA-2048', p256: 'P-256' } as const;

function overTls(serverKey: ServerKey): readonly TrafficScenario[] {
  const handshakes = { serverKey, kind: 'traffic', streams: 32, unit: 'handshake' } as const;
  const title = KEY_TITLES[serverKey];
  return [
    { ...handshakes, key: `tls-full-${serverKey}`, title: `full handshakes, ${title}`, mode: 'short' },
    {
      ...handshakes,
      key: `tls-resumed-${serverKey}`,
      title: `resumed handshakes, ${title}`,
      mode: 'resumed',
    },
    {
      ...bulk('down', 8),
      serverKey,
      key: `tls-down-${serverKey}`,
      title: `TLS bulk down, 8 streams, ${title}`,
    },
  ];
}

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
  ...overTls('rsa'),
  ...overTls('p256'),
];

/** Scenarios that one start of a proxy goes through. */
export interface Group {
  readonly serverKey: ServerKey | undefined;
  readonly scenarios: readonly Scenario[];
}

/** Those without TLS, then those of each key. What TLS costs is measured on one thread alone. */
export function groupsOf(scenarios: readonly Scenario[], threads: Threads): readonly Group[] {
  const keys = threads === 1 ? ([undefined, 'rsa', 'p256'] as const) : [undefined];
  return keys
    .map((serverKey) => ({
      serverKey,
      scenarios: scenarios.filter((scenario) => scenario.serverKey === serverKey),
    }))
    .filter((group) => group.scenarios.length > 0);
}

/** How much of everything: enough for steady figures, or for a look. */
export interface Effort {
  readonly rounds: number;
  /** Exchanges before the measurement: a number, as it is use and not time that makes a program warm. */
  readonly warmUp: { readonly kept: number; readonly short: number; readonly handshakes: number };
  readonly measuredMs: number;
  /** Over all streams. */
  readonly warmUpBytes: number;
  readonly measuredBytes: number;
}

export const FULL: Effort = {
  rounds: 5,
  warmUp: { kept: 50_000, short: 25_000, handshakes: 5_000 },
  measuredMs: 700,
  warmUpBytes: 150e6,
  measuredBytes: 750e6,
};

export const QUICK: Effort = {
  rounds: 1,
  warmUp: { kept: 50_000, short: 25_000, handshakes: 1_000 },
  measuredMs: 400,
  warmUpBytes: 100e6,
  measuredBytes: 500e6,
};

/** The last two arguments of the load generator: how much before, and how much during the measurement. */
export function amountsOf(
  { unit, mode, streams }: TrafficScenario,
  effort: Effort,
): readonly [number, number] {
  if (unit === 'handshake') return [effort.warmUp.handshakes, effort.measuredMs];
  if (mode === 'short' || mode === 'kept') return [effort.warmUp[mode], effort.measuredMs];
  return [Math.ceil(effort.warmUpBytes / streams), Math.ceil(effort.measuredBytes / streams)];
}

/** Units that one completed exchange of the load generator stands for. */
export function unitsOf(scenario: TrafficScenario, effort: Effort): number {
  return scenario.unit === 'GB' ? amountsOf(scenario, effort)[1] / 1e9 : 1;
}
