import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type AnyActorRef, createActor, fromPromise, setup } from 'xstate';
import { machineJsonOf } from '../../../src/adapters/charts/studio-json.ts';
import type { InspectionFeed } from '../../../src/adapters/inspect/feed.ts';
import { createInspector, type InspectorOptions } from '../../../src/adapters/inspect/inspector.ts';
import type { InspectionMessage } from '../../../src/adapters/inspect/messages.ts';
import { sanitize } from '../../../src/adapters/inspect/sanitize.ts';
import { liveActorsOf } from '../../support/inspection.ts';

const doorMachine = setup({
  types: {
    context: {} as { readonly opened: number; readonly apiToken: string; readonly now: () => number },
    events: {} as { readonly type: 'OPEN'; readonly password?: string } | { readonly type: 'SHUT' },
  },
}).createMachine({
  id: 'door',
  context: { opened: 0, apiToken: 'hunter2', now: () => 0 },
  initial: 'shut',
  states: { shut: { on: { OPEN: 'open' } }, open: { on: { SHUT: 'shut' } } },
});

/** Counts who inspects the system of an actor. */
function counted<T extends AnyActorRef>(actor: T) {
  let inspections = 0;
  const { inspect } = actor.system;
  vi.spyOn(actor.system, 'inspect').mockImplementation((observer) => {
    inspections += 1;
    const inspection = inspect(observer);
    return {
      unsubscribe() {
        inspections -= 1;
        inspection.unsubscribe();
      },
    };
  });
  return { actor, inspections: () => inspections };
}

function aDoor() {
  const actor = createActor(doorMachine).start();
  onTestFinished(() => void actor.stop());
  return counted(actor);
}

function anInspector(actors: ReadonlyMap<string, AnyActorRef>, options: Partial<InspectorOptions> = {}) {
  const inspector = createInspector({
    actors: liveActorsOf(actors),
    draw: ({ id }) => Promise.resolve({ svg: `<svg id="${id}"/>`, transitions: [] }),
    describe: (machine) => JSON.stringify(machineJsonOf(machine, sanitize)),
    maxActors: 10,
    wallClock: () => 1_700_000_000_000,
    rescanMs: 5,
    collectMs: 0,
    ...options,
  });
  return {
    ...inspector,
    open(pattern = '') {
      const feed = inspector.open(pattern);
      onTestFinished(() => feed.close());
      return feed;
    },
  };
}

/** Reads until a message of this kind, that one included. */
async function readTo(
  feed: InspectionFeed,
  isLast: (message: InspectionMessage) => boolean,
): Promise<readonly InspectionMessage[]> {
  const messages: InspectionMessage[] = [];
  while (!messages.some(isLast)) {
    const batch = await feed.next();
    if (batch === undefined) throw new Error('the feed ended');
    messages.push(...batch.map((text) => JSON.parse(text) as InspectionMessage));
  }
  return messages;
}

const isLive = ({ type }: InspectionMessage): boolean => type === 'edgeproxy.live';
const isSnapshot = ({ type }: InspectionMessage): boolean => type === '@xstate.snapshot';

describe('somebody who begins to look', () => {
  it('is told the present state and the machine of every actor first', async () => {
    const { actor } = aDoor();
    actor.send({ type: 'OPEN' });
    const feed = anInspector(new Map([['door:front', actor]])).open();
    const messages = await readTo(feed, isLive);
    expect(messages.map(({ type }) => type)).toEqual([
      'edgeproxy.scope',
      'edgeproxy.actor',
      '@xstate.actor',
      'edgeproxy.live',
    ]);
    expect(messages[0]).toMatchObject({ pattern: '', matched: 1, followed: 1, leftOut: 0 });
    expect(messages[1]).toMatchObject({
      name: 'door:front',
      sessionId: actor.sessionId,
      chartId: 'door-1',
    });
    expect(messages[2]).toMatchObject({
      name: 'door:front',
      sessionId: actor.sessionId,
      rootId: actor.sessionId,
      createdAt: '1700000000000',
      snapshot: { status: 'active', value: 'open', context: { opened: 0, apiToken: '***' } },
    });
  });

  it('is told one chart for all actors of a machine, also when each has its own actors provided', async () => {
    const provided = createActor(doorMachine.provide({})).start();
    const actors = new Map<string, AnyActorRef>([
      ['a', aDoor().actor],
      ['b', provided],
      ['job', createActor(fromPromise(() => Promise.resolve(1))).start()],
    ]);
    const messages = await readTo(anInspector(actors).open(), isLive);
    const charts = messages.flatMap((message) =>
      message.type === 'edgeproxy.actor' ? [message.chartId] : [],
    );
    expect(charts).toEqual(['door-1', 'door-1', undefined]);
  });

  it('follows no more actors than the limit, and is told how many were left out', async () => {
    const actors = new Map(Array.from({ length: 8 }, (_, index) => [`door:${index}`, aDoor().actor]));
    const inspector = anInspector(actors, { maxActors: 3 });
    const messages = await readTo(inspector.open('door:*'), isLive);
    expect(messages[0]).toMatchObject({ pattern: 'door:*', matched: 8, followed: 3, leftOut: 5 });
    expect(messages.filter(({ type }) => type === '@xstate.actor')).toHaveLength(3);
    expect(inspector.names('door:*').names).toHaveLength(8);
  });

  it('gets no secret, neither in contexts, nor in events, nor in definitions', async () => {
    const { actor } = aDoor();
    const feed = anInspector(new Map([['door', actor]])).open();
    const before = await readTo(feed, isLive);
    actor.send({ type: 'OPEN', password: 'hunter2' });
    const after = await readTo(feed, isSnapshot);
    expect(JSON.stringify([before, after])).not.toContain('hunter2');
    expect(after).toContainEqual(
      expect.objectContaining({ type: '@xstate.event', event: { type: 'OPEN', password: '***' } }),
    );
  });
});

describe('the chart of a machine', () => {
  it('is drawn once, when somebody asks for it, for all lookers and actors', async () => {
    const drawn: string[] = [];
    const inspector = anInspector(new Map([['door', aDoor().actor]]), {
      draw: async ({ id }) => {
        drawn.push(id);
        return { svg: '<svg/>', transitions: [] };
      },
    });
    expect(inspector.chart('door-1')).toBeUndefined();
    for (const feed of [inspector.open(), inspector.open()]) await readTo(feed, isLive);
    expect(drawn).toEqual([]);
    const [first, second] = await Promise.all([inspector.chart('door-1'), inspector.chart('door-1')]);
    expect(first).toEqual({ svg: '<svg/>', transitions: [] });
    expect([second === first, drawn]).toEqual([true, ['door']]);
    expect(inspector.chart('door-2')).toBeUndefined();
  });

  it('is tried again after a failure', async () => {
    const failures = [new Error('no memory')];
    const inspector = anInspector(new Map([['door', aDoor().actor]]), {
      draw: async () => {
        const failure = failures.pop();
        if (failure !== undefined) throw failure;
        return { svg: '<svg/>', transitions: [] };
      },
    });
    await readTo(inspector.open(), isLive);
    await expect(inspector.chart('door-1')).rejects.toThrow('no memory');
    await expect(inspector.chart('door-1')).resolves.toMatchObject({ svg: '<svg/>' });
  });
});

describe('while somebody looks', () => {
  it('events and snapshots of the wanted actors are told as they happen', async () => {
    const [front, back] = [aDoor().actor, aDoor().actor];
    const feed = anInspector(
      new Map([
        ['front', front],
        ['back', back],
      ]),
    ).open('front');
    await readTo(feed, isLive);
    back.send({ type: 'OPEN' });
    front.send({ type: 'OPEN' });
    const messages = await readTo(feed, isSnapshot);
    expect(messages).toMatchObject([
      { type: '@xstate.event', sessionId: front.sessionId, event: { type: 'OPEN' } },
      {
        type: '@xstate.snapshot',
        sessionId: front.sessionId,
        event: { type: 'OPEN' },
        snapshot: { value: 'open' },
      },
    ]);
  });

  it('actors that come and go are told, and a place that becomes free is taken', async () => {
    const actors = new Map([
      ['a', aDoor().actor],
      ['b', aDoor().actor],
    ]);
    const feed = anInspector(actors, { maxActors: 2 }).open();
    await readTo(feed, isLive);
    const [late, left] = [aDoor(), actors.get('a')!];
    actors.delete('a');
    actors.set('late', late.actor);
    const messages = await readTo(feed, (message) => message.type === '@xstate.actor');
    expect(messages).toMatchObject([
      { type: 'edgeproxy.gone', name: 'a', sessionId: left.sessionId },
      { type: 'edgeproxy.actor', name: 'late' },
      { type: '@xstate.actor', name: 'late' },
    ]);
    expect(late.inspections()).toBe(1);
  });

  it('a name that belongs to another actor now is told as that one', async () => {
    const actors = new Map([['a', aDoor().actor]]);
    const feed = anInspector(actors).open();
    await readTo(feed, isLive);
    const second = aDoor().actor;
    actors.set('a', second);
    const messages = await readTo(feed, (message) => message.type === '@xstate.actor');
    expect(messages.at(-1)).toMatchObject({ name: 'a', sessionId: second.sessionId });
  });

  it('nobody walks over the actors while none came or went, and one does when one did', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    let [version, walks] = [1, 0];
    const actors = new Map([['a', aDoor().actor]]);
    const live = {
      get version() {
        return version;
      },
      *[Symbol.iterator]() {
        walks += 1;
        yield* actors;
      },
    };
    const feed = anInspector(actors, { actors: live }).open();
    await readTo(feed, isLive);
    actors.set('b', aDoor().actor);
    vi.advanceTimersByTime(1_000);
    expect(walks).toBe(1);
    version += 1;
    vi.advanceTimersByTime(1_000);
    expect(walks).toBe(2);
    const messages = await readTo(feed, (message) => message.type === '@xstate.actor');
    expect(messages.at(-1)).toMatchObject({ name: 'b' });
  });

  it('an actor may go by two names, and each is told and left by itself', async () => {
    const { actor, inspections } = aDoor();
    const actors = new Map([
      ['a', actor],
      ['b', actor],
    ]);
    const feed = anInspector(actors).open();
    const first = await readTo(feed, isLive);
    expect(first.flatMap((message) => (message.type === '@xstate.actor' ? [message.name] : []))).toEqual([
      'a',
      'b',
    ]);
    actors.delete('a');
    const messages = await readTo(feed, ({ type }) => type === 'edgeproxy.gone');
    expect(messages).toMatchObject([{ name: 'a' }, { type: 'edgeproxy.scope', followed: 1 }]);
    expect(inspections()).toBe(1);
    feed.close();
    expect(inspections()).toBe(0);
  });

  it('a burst is cut short for a slow reader, who ends with the present state', async () => {
    const { actor } = aDoor();
    const feed = anInspector(new Map([['door', actor]]), { maxQueued: 50 }).open();
    await readTo(feed, isLive);
    for (let turn = 0; turn < 500; turn += 1) {
      actor.send({ type: 'OPEN' });
      actor.send({ type: 'SHUT' });
    }
    actor.send({ type: 'OPEN' });
    const messages = await readTo(feed, isSnapshot);
    expect(messages).toMatchObject([
      { type: 'edgeproxy.skipped', messages: 2_002 },
      { type: '@xstate.snapshot', snapshot: { value: 'open' } },
    ]);
  });
});

describe('when nobody looks', () => {
  it('nothing is attached to an actor, not before, and not after', async () => {
    const door = aDoor();
    const inspector = anInspector(new Map([['door', door.actor]]));
    expect(inspector.names('').names).toEqual(['door']);
    expect(door.inspections()).toBe(0);
    const [first, second] = [inspector.open(), inspector.open()];
    expect(door.inspections()).toBe(2);
    first.close();
    expect(door.inspections()).toBe(1);
    const reading = second.next();
    second.close();
    await reading;
    expect(door.inspections()).toBe(0);
    expect(await second.next()).toBeUndefined();
  });

  it('no message is made of what happens', async () => {
    const door = aDoor();
    let asked = 0;
    const inspector = anInspector(new Map([['door', door.actor]]), {
      wallClock: () => {
        asked += 1;
        return 0;
      },
    });
    const feed = inspector.open();
    await readTo(feed, isLive);
    feed.close();
    const before = asked;
    door.actor.send({ type: 'OPEN' });
    expect(asked).toBe(before);
  });

  it('no timer runs', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const feed = anInspector(new Map(), { rescanMs: 60_000, collectMs: 60_000 }).open();
    const reading = feed.next();
    expect(timers()).toBe(before + 2);
    feed.close();
    await reading;
    expect(timers()).toBe(before);
  });
});
