import type { AnyActorRef, AnyStateMachine, InspectionEvent } from 'xstate';
import { createFeedQueue, type FeedQueue, type InspectionFeed, type Pending } from './feed.ts';
import { type ChartDrawing, MachineCatalog } from './machine-catalog.ts';
import { type InspectionMessage, PROTOCOL_VERSION } from './messages.ts';
import { type NameFilter, parsePattern } from './pattern.ts';
import { sanitize } from './sanitize.ts';
import { describeSnapshot } from './snapshot.ts';

export interface InspectorOptions {
  /** The live actors by name, such as `lifecycle`, `backend:sa-1`; asked again while somebody looks. */
  readonly actors: () => ReadonlyMap<string, AnyActorRef>;
  /** Draws a machine; asked once for all actors of it, and only when somebody wants to see its chart. */
  readonly draw: (machine: AnyStateMachine) => Promise<ChartDrawing>;
  /** Actors that one looker follows at most. */
  readonly maxActors: number;
  /** Unix time in milliseconds. */
  readonly wallClock: () => number;
  /** How often actors that came and went are looked for, while somebody looks. Default 1 s. */
  readonly rescanMs?: number;
  /** How long a first message waits for others to come along. Default 40 ms. */
  readonly collectMs?: number;
  /** Messages that wait for a slow looker at most. Default 2,000. */
  readonly maxQueued?: number;
}

/** The names of actors; `leftOut` tells how many more match. */
export interface ActorNames {
  readonly names: readonly string[];
  readonly leftOut: number;
}

/** Shows live actors to whoever looks; nothing is attached to an actor while nobody does. */
export interface Inspector {
  /** @param pattern as `open` takes it */
  names(pattern: string): ActorNames;
  /**
   * Attaches to the actors whose name matches. The feed begins with their present state and their machines, then
   * tells events and snapshots as they happen; a message is an `InspectionMessage`.
   *
   * @param pattern terms separated by spaces or commas; `*` is any text, a term without it is looked for anywhere
   */
  open(pattern: string): InspectionFeed;
  /** The chart that a message named; `undefined` when none did. */
  chart(chartId: string): Promise<ChartDrawing> | undefined;
}

const MAX_NAMES = 1_000;

interface Followed {
  readonly actor: AnyActorRef;
  readonly detach: () => void;
}

class Look {
  readonly feed: FeedQueue;
  readonly #options: InspectorOptions;
  readonly #machines: MachineCatalog;
  readonly #pattern: string;
  readonly #isWanted: NameFilter;
  readonly #followed = new Map<string, Followed>();
  readonly #rescan: NodeJS.Timeout;
  #messages = 0;
  #scope = '';

  constructor(options: InspectorOptions, machines: MachineCatalog, pattern: string) {
    const { maxQueued = 2_000, collectMs = 40, rescanMs = 1_000 } = options;
    this.#options = options;
    this.#machines = machines;
    this.#pattern = pattern;
    this.#isWanted = parsePattern(pattern);
    this.feed = createFeedQueue({
      maxQueued,
      maxAnnounced: 4 * maxQueued + 8 * options.maxActors,
      collectMs,
      onSkipped: (messages) => this.#presentStates(messages),
      onClose: () => this.#detach(),
    });
    this.#scan();
    this.#announce({ type: 'edgeproxy.live' });
    this.#rescan = setInterval(() => this.#scan(), rescanMs);
  }

  #announce(message: InspectionMessage): void {
    this.feed.announce(() => message);
  }

  #detach(): void {
    clearInterval(this.#rescan);
    for (const { detach } of this.#followed.values()) detach();
    this.#followed.clear();
  }

  /** Follows actors that are new, and leaves those that are gone. */
  #scan(): void {
    const actors = this.#options.actors();
    for (const [name, { actor }] of this.#followed) if (actors.get(name) !== actor) this.#leave(name);
    let matched = 0;
    const found: [string, AnyActorRef][] = [];
    for (const [name, actor] of actors) {
      if (!this.#isWanted(name)) continue;
      matched += 1;
      if (this.#followed.size + found.length < this.#options.maxActors && !this.#followed.has(name)) {
        found.push([name, actor]);
      }
    }
    const followed = this.#followed.size + found.length;
    const scope = `${matched} ${followed}`;
    if (scope !== this.#scope) {
      this.#scope = scope;
      const counts = { matched, followed, leftOut: matched - followed };
      this.#announce({ type: 'edgeproxy.scope', pattern: this.#pattern, ...counts });
    }
    for (const [name, actor] of found) this.#follow(name, actor);
  }

  #follow(name: string, actor: AnyActorRef): void {
    const { sessionId } = actor;
    const description = this.#machines.ofActor(actor);
    this.#announce({ type: 'edgeproxy.actor', sessionId, name, chartId: description?.chartId });
    const snapshot: unknown = actor.getSnapshot();
    const base = this.#base(actor);
    this.feed.announce((): InspectionMessage => ({
      ...base,
      type: '@xstate.actor',
      name,
      parentId: undefined,
      definition: description?.definition(),
      snapshot: describeSnapshot(snapshot),
    }));
    const inspection = actor.system.inspect((event) => {
      if (event.actorRef === actor) this.#tell(actor, event);
    });
    this.#followed.set(name, { actor, detach: () => inspection.unsubscribe() });
  }

  #leave(name: string): void {
    const { actor, detach } = this.#followed.get(name)!;
    detach();
    this.#followed.delete(name);
    this.#announce({ type: 'edgeproxy.gone', sessionId: actor.sessionId, name });
  }

  /** Runs within the actor's transition: notes what happened and leaves the work for later. */
  #tell(actor: AnyActorRef, event: InspectionEvent): void {
    if (event.type === '@xstate.event') {
      const sourceId = event.sourceRef?.sessionId;
      const base = this.#base(actor);
      this.feed.push((): InspectionMessage => ({
        ...base,
        type: '@xstate.event',
        event: sanitize(event.event) ?? {},
        sourceId,
      }));
    } else if (event.type === '@xstate.snapshot') {
      this.feed.push(this.#snapshotOf(actor, event.snapshot, event.event));
    }
  }

  #snapshotOf(actor: AnyActorRef, snapshot: unknown, event: unknown): Pending {
    const base = this.#base(actor);
    return (): InspectionMessage => ({
      ...base,
      type: '@xstate.snapshot',
      event: sanitize(event) ?? {},
      snapshot: describeSnapshot(snapshot),
    });
  }

  #presentStates(messages: number): readonly Pending[] {
    const note = (): InspectionMessage => ({ type: 'edgeproxy.skipped', messages });
    const states = [...this.#followed.values()].map(({ actor }) =>
      this.#snapshotOf(actor, actor.getSnapshot(), { type: 'edgeproxy.skipped' }),
    );
    return [note, ...states];
  }

  #base({ sessionId }: AnyActorRef) {
    this.#messages += 1;
    const createdAt = String(this.#options.wallClock());
    return {
      sessionId,
      rootId: sessionId,
      id: String(this.#messages),
      createdAt,
      _version: PROTOCOL_VERSION,
    };
  }
}

/** Creates the bridge between live actors and whoever looks at them. */
export function createInspector(options: InspectorOptions): Inspector {
  const machines = new MachineCatalog(options.draw);
  return {
    names(pattern) {
      const isWanted = parsePattern(pattern);
      const names = [...options.actors().keys()].filter((name) => isWanted(name));
      return { names: names.slice(0, MAX_NAMES), leftOut: Math.max(0, names.length - MAX_NAMES) };
    },
    open: (pattern) => new Look(options, machines, pattern).feed,
    chart: (chartId) => machines.ofChartId(chartId)?.drawing(),
  };
}
