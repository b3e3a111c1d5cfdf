import type { EligibleSet } from '../domain/eligibility.ts';
import type { ConnectionPage, ConnectionQuery, LiveConnection } from '../domain/live-connections.ts';
import type { ListenAddress, ProxyEngine, ProxyListener, ThreadReport } from '../domain/ports.ts';
import type { Directory } from './directory.ts';
import type { RouteTable } from './routes.ts';

/** Whoever serves clients by tables that somebody else makes of the sets. */
export interface RoutingEngine extends Omit<ProxyEngine, 'apply' | 'listen'> {
  /** Routes new connections by this table, at once or a little later; the engine says when. */
  route(table: RouteTable): void;
  /** Clients that are there, whatever they are at. */
  readonly liveConnections: number;
}

/** One whose clients are not encrypted. */
export interface ClientEngine extends RoutingEngine, Pick<ProxyEngine, 'listen'> {}

/** The oldest of the versions that several engines have come to. */
export class OldestVersion {
  readonly #versions: number[];
  readonly #onNext: (version: number) => void;

  /** @param onNext told each time that all have come to another version, or a newer one */
  constructor(engines: number, onNext: (version: number) => void) {
    this.#versions = Array.from({ length: engines }, () => -1);
    this.#onNext = onNext;
  }

  /** An engine goes by a version. */
  reached(engine: number, version: number): void {
    this.#versions[engine] = version;
    this.#onNext(Math.min(...this.#versions));
  }
}

/**
 * The engines of one daemon as one: what serves plain clients, and what serves those of the TLS listener. They share
 * places, permits, limits and counters, and route by the same tables.
 */
export class JointEngine implements ProxyEngine {
  readonly #directory: Directory;
  readonly #clients: ClientEngine;
  readonly #engines: readonly RoutingEngine[];

  constructor(directory: Directory, clients: ClientEngine, others: readonly RoutingEngine[] = []) {
    this.#directory = directory;
    this.#clients = clients;
    this.#engines = [clients, ...others];
  }

  get liveConnections(): number {
    return this.#engines.reduce((sum, engine) => sum + engine.liveConnections, 0);
  }

  listen(listeners: readonly ProxyListener[]): Promise<readonly ListenAddress[]> {
    return this.#clients.listen(listeners);
  }

  apply(set: EligibleSet): void {
    const table = this.#directory.publish(set);
    for (const engine of this.#engines) engine.route(table);
  }

  routesTo(incarnation: string): boolean {
    return this.#engines.some((engine) => engine.routesTo(incarnation));
  }

  connections(query: ConnectionQuery): ConnectionPage {
    const [first, after] = placeOf(query.after);
    const items: LiveConnection[] = [];
    for (const [index, engine] of this.#engines.entries()) {
      if (index < first) continue;
      const limit = query.limit - items.length;
      if (limit === 0) return { items, next: `${index}:` };
      const page = engine.connections({ ...query, limit, after: index === first ? after : undefined });
      items.push(...page.items);
      if (page.next !== null) return { items, next: `${index}:${page.next}` };
    }
    return { items, next: null };
  }

  cut(incarnation: string): void {
    for (const engine of this.#engines) engine.cut(incarnation);
  }

  threads(): ThreadReport {
    const reports = this.#engines.map((engine) => engine.threads());
    return {
      alive: reports.reduce((sum, { alive }) => sum + alive, 0),
      deaths: reports.reduce((sum, { deaths }) => sum + deaths, 0),
    };
  }

  async drain(): Promise<void> {
    await Promise.all(this.#engines.map((engine) => engine.drain()));
  }

  async close(spreadMs: number): Promise<void> {
    await Promise.all(this.#engines.map((engine) => engine.close(spreadMs)));
  }
}

/** The engine that a page begins with, and where; a text that no page has said is the end. */
function placeOf(after: string | undefined): readonly [engine: number, after: string | undefined] {
  if (after === undefined) return [0, undefined];
  const [, engine, rest] = /^(\d):(.*)$/.exec(after) ?? [];
  return engine === undefined ? [Infinity, undefined] : [Number(engine), rest === '' ? undefined : rest];
}
