import { createBrowserReceiver, createInspector as createStatelyInspector } from '@statelyai/inspect';
import type { StatelyInspectionEvent } from '@statelyai/inspect';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createActor, createMachine } from 'xstate';
import { createInspector } from '../../../src/adapters/inspect/inspector.ts';
import { sanitize } from '../../../src/adapters/inspect/sanitize.ts';
import { machineJsonOf } from '../../../src/adapters/charts/studio-json.ts';
import { liveActorsOf } from '../../support/inspection.ts';
import type { StatelyInspectionMessage } from '../../../src/adapters/inspect/messages.ts';
import { until } from '../../support/until.ts';

const machine = createMachine({
  id: 'door',
  initial: 'shut',
  states: { shut: { on: { OPEN: 'open' } }, open: { entry: () => {} } },
});

/** What the package itself tells of an actor that takes one event. */
async function theirMessages(): Promise<readonly StatelyInspectionEvent[]> {
  const messages: StatelyInspectionEvent[] = [];
  const theirs = createStatelyInspector({ send: (message) => void messages.push(message) });
  const actor = createActor(machine, { inspect: theirs.inspect }).start();
  actor.send({ type: 'OPEN' });
  await until(() => messages.length === 5, { what: 'the messages of the package' });
  actor.stop();
  const wanted = messages.filter((message) => !('event' in message) || message.event.type === 'OPEN');
  return wanted.map((message) => JSON.parse(JSON.stringify(message)) as StatelyInspectionEvent);
}

/** What we tell of the same. */
async function ourMessages(): Promise<readonly StatelyInspectionMessage[]> {
  const actor = createActor(machine).start();
  const feed = createInspector({
    actors: liveActorsOf(new Map([['door', actor]])),
    describe: (theMachine) => JSON.stringify(machineJsonOf(theMachine, sanitize)),
    draw: () => Promise.reject(new Error('nobody asks for a chart here')),
    maxActors: 1,
    wallClock: Date.now,
  }).open('');
  onTestFinished(() => feed.close());
  const messages: string[] = [];
  const readTo = async (type: string): Promise<void> => {
    while (!messages.some((text) => text.includes(type))) messages.push(...((await feed.next()) ?? []));
  };
  await readTo('edgeproxy.live');
  actor.send({ type: 'OPEN' });
  await readTo('@xstate.snapshot');
  return messages
    .map((text) => JSON.parse(text) as StatelyInspectionMessage)
    .filter(({ type }) => type.startsWith('@xstate.'));
}

const typesOf = (messages: readonly { readonly type: string }[]): readonly string[] =>
  messages.map(({ type }) => type);

describe('the messages for the Stately inspector', () => {
  it('are the ones of its package: the same kinds, version, fields and definition', async () => {
    const [theirs, ours] = [await theirMessages(), await ourMessages()];
    expect(typesOf(ours)).toEqual(typesOf(theirs));
    for (const [index, message] of theirs.entries()) {
      expect(Object.keys(ours[index]!)).toEqual(expect.arrayContaining(Object.keys(message)));
      expect(Reflect.get(ours[index]!, '_version')).toBe(Reflect.get(message, '_version'));
    }
    const definitions = [theirs[0]!, ours[0]!].map((message) =>
      message.type === '@xstate.actor' ? (JSON.parse(message.definition ?? '') as object) : undefined,
    );
    expect(definitions[1]).toMatchObject({
      id: 'door',
      initial: 'shut',
      states: { shut: { on: { OPEN: [{ target: 'open' }] } } },
    });
    expect(Object.keys(definitions[1]!)).toEqual(Object.keys(definitions[0]!));
  });

  it('are taken by its receiver', async () => {
    const listeners: ((event: { readonly data: unknown }) => void)[] = [];
    const inner = {
      addEventListener: (_type: string, listener: (event: { readonly data: unknown }) => void) =>
        listeners.push(listener),
      parent: { postMessage: () => {} },
      self: 1,
      top: 2,
    };
    const received: StatelyInspectionEvent[] = [];
    createBrowserReceiver({ window: inner as never }).subscribe((message) => received.push(message));
    const ours = await ourMessages();
    for (const data of ours) for (const listen of listeners) listen({ data });
    expect(received).toEqual(ours);
  });
});
