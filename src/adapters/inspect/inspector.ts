import type { AnyActorRef, InspectionEvent } from 'xstate';
import type { ChartDrawing } from '../../domain/chart-drawing.ts';
import { createFeedQueue, type FeedQueue, type InspectionFeed, type Pending } from './feed.ts';
import { MachineCatalog, type MachineViews } from './machine-catalog.ts';
import { type InspectionMessage, PROTOCOL_VERSION } from './messages.ts';
import { type NameFilter, parsePattern } from './pattern.ts';
import { sanitize } from './sanitize.ts';
import { describeSnapshot } from './snapshot.ts';

/** The live actors by name, such as `lifecycle`, `backend:sa-1`: each name once. */
export interface LiveActors extends Iterable<readonly [name: string, actor: AnyActorRef]> {
  /** Another number when an actor has come, gone, or got another name; there may be many, and nobody walks in vain. */
  readonly version: number;
}

export interface InspectorOptions extends MachineViews {
  readonly actors: LiveActors;
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
  /** Actors that are followed or once were. */
  readonly #met = new WeakSet<AnyActorRef>();
  readonly #rescan: NodeJS.Timeout;
  #messages = 0;
  #scope = '';
  #version: number | undefined;

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
    const { actors, maxActors } = this.#options;
    const { version } = actors;
    if (version === this.#version) return;
    this.#version = version;
    let matched = 0;
    const present = new Set<string>();
    const found: (readonly [string, AnyActorRef])[] = [];
    for (const [name, actor] of actors) {
      if (!this.#isWanted(name)) continue;
      matched += 1;
      // The actor first: names are made anew at every walk, and to look one up costs more than to make it.
      if (this.#met.has(actor) && this.#followed.get(name)?.actor === actor) present.add(name);
      else if (found.length < maxActors) found.push([name, actor]);
    }
    for (const name of this.#followed.keys()) if (!present.has(name)) this.#leave(name);
    const followed = Math.min(maxActors, present.size + found.length);
    const scope = `${matched} ${followed}`;
    if (scope !== this.#scope) {
      this.#scope = scope;
      const counts = { matched, followed, leftOut: matched - followed };
      this.#announce({ type: 'edgeproxy.scope', pattern: this.#pattern, ...counts });
    }
    for (const [name, actor] of found.slice(0, followed - present.size)) this.#follow(name, actor);
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
    this.#met.add(actor);
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
  const machines = new MachineCatalog(options);
  return {
    names(pattern) {
      const isWanted = parsePattern(pattern);
      const names: string[] = [];
      let leftOut = 0;
      for (const [name] of options.actors) {
        if (!isWanted(name)) continue;
        if (names.length < MAX_NAMES) names.push(name);
        else leftOut += 1;
      }
      return { names, leftOut };
    },
    open: (pattern) => new Look(options, machines, pattern).feed,
    chart: (chartId) => machines.ofChartId(chartId)?.drawing(),
  };
}
