import type { EligibleSet } from './eligibility.ts';
import type { ClientGeo } from './geo.ts';
import type { ConnectionPage, ConnectionQuery } from './live-connections.ts';
import type { HealthVerdict } from './health.ts';
import type { Outcome, RefusalReason, TimeoutKind } from './outcome.ts';
import type { PoolReport } from './pool.ts';

/** What the middle layers need of the world; `daemon.ts` hands in the adapters. */

/** Structured log lines: fields first, then a constant lower-case message. Satisfied by pino. */
export interface Logger {
  error(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
  debug(fields: object, message: string): void;
}

/** A logger whose least severe level may be changed. Satisfied by pino. */
export interface LeveledLogger extends Logger {
  level: string;
}

/** Milliseconds on a monotonic clock. */
export type MonotonicClock = () => number;

/** A number in [0, 1). */
export type Random = () => number;

export interface GeoResolver {
  /** Knows no place: nobody need be asked for. */
  readonly isEmpty: boolean;
  /** @param address an IPv4 or IPv6 address in text form, mapped IPv4 addresses already normalised */
  locate(address: string): ClientGeo | undefined;
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** A listener of the proxy as it is to be. */
export interface ProxyListener {
  /** Key of the setting that gives the address, for the error when it cannot be bound. */
  readonly setting: string;
  readonly address: ListenAddress;
  /** Whose backends its clients are given; absent: those of every app. */
  readonly app?: string | undefined;
  /** That is said by the server name in the TLS greeting of each client, which goes to its backend as it is. */
  readonly goesByServerName?: true;
}

/**
 * The socket side of the proxy: accepts, connects, relays. Decisions are made by engine-free functions, and
 * numbers leave through shared counters, so that an engine may live in worker threads.
 */
export interface ProxyEngine {
  /**
   * Has these listeners and no others; resolves with their bound addresses (port 0 becomes the real one). Called again,
   * it binds those that are new first; then nobody is accepted any more at those that are not wanted, where clients
   * that have come already are served. A listener of the same address stays, and may be another app's from then on.
   * Fails with `ERR_LISTEN`, and then all is as before.
   */
  listen(listeners: readonly ProxyListener[]): Promise<readonly ListenAddress[]>;
  /**
   * Replaces the set that new connections are routed by. Live connections are not touched. It comes into force at
   * once or a little later; the engine says when.
   */
  apply(set: EligibleSet): void;
  /** Whether new connections may still go to an incarnation: false once a set without it is in force. */
  routesTo(incarnation: string): boolean;
  /** A part of the live connections; asks no thread, and touches none of them. */
  connections(query: ConnectionQuery): ConnectionPage;
  /** Ends the live connections of one incarnation; clients that are not connected yet get another backend. */
  cut(incarnation: string): void;
  /** Threads that relay at this moment, and how many have died so far. */
  threads(): ThreadReport;
  /** Stops accepting; resolves when the last live connection has ended by itself. */
  drain(): Promise<void>;
  /** Ends every live connection, spread over `spreadMs` milliseconds, and releases the listeners. */
  close(spreadMs: number): Promise<void>;
}

export interface ThreadReport {
  readonly alive: number;
  readonly deaths: number;
}

/** What relays. */
export interface EngineReport extends ThreadReport {
  readonly engine: 'epoll' | 'net';
  /** How the engine calls the kernel, where it does so itself. */
  readonly syscalls: 'addon' | 'ffi' | 'none';
}

export interface EngineSource {
  report(): EngineReport;
}

/** Where an engine reports to; called in batches, never once per event. */
export type OutcomeSink = (batch: readonly Outcome[]) => void;

/** What went through one backend since its counters began. */
export interface BackendTraffic {
  readonly backendId: string;
  /** Connections established. */
  readonly connections: number;
  /** Places taken at the backend: connecting and connected. */
  readonly active: number;
  /** Failures charged to it. */
  readonly errors: number;
  /** Client to backend. */
  readonly bytesSent: number;
  /** Backend to client. */
  readonly bytesReceived: number;
  readonly rttSumSeconds: number;
  /** Connects per bucket, not cumulative; one more cell than `rttBucketsSeconds` for those above every bound. */
  readonly rttCounts: readonly number[];
}

/** The numbers of the proxy at one moment; totals include backends that are gone. */
export interface TrafficReport {
  readonly accepted: number;
  readonly active: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** How often clients had to wait, or could not be accepted, for want of descriptors or memory. */
  readonly acceptPauses: number;
  readonly refused: Readonly<Record<RefusalReason, number>>;
  /** Clients that had to wait for a place at a backend, and those who do now. */
  readonly queued: number;
  readonly waiting: number;
  /** Connections that were closed because something took too long. */
  readonly timedOut: Readonly<Record<TimeoutKind, number>>;
  readonly rttBucketsSeconds: readonly number[];
  readonly backends: readonly BackendTraffic[];
}

/** Where the metrics come from. */
export interface TrafficSource {
  /** Reads everything; a backend that is gone and has no connection left is in no report after this one. */
  report(): TrafficReport;
  /** Clients that are served at the moment. */
  activeClients(): number;
}

/** How a rate limiter fares. */
export interface RateLimitSource {
  /**
   * Nothing where there has been no limit so far. `evictedEarly`: clients that were forgotten, for want of room, before
   * their buckets were full.
   */
  report(): { readonly evictedEarly: number } | undefined;
}

/** How the pool of warm connections fares. */
export interface PoolSource {
  /** Nothing where there has been no pool so far. */
  report(): PoolReport | undefined;
}

/** What the machines of the live backends say; `undefined` where a backend has no such machine. */
export type FleetReport = readonly {
  readonly backendId: string;
  readonly circuit: 'closed' | 'open' | 'halfOpen' | undefined;
  readonly verdict: HealthVerdict | undefined;
}[];

export interface FleetSource {
  report(): FleetReport;
}
