import type { AnyStateMachine } from 'xstate';
import type { Json } from '../../domain/json.ts';
import { actionLabel, guardLabel, invocationLabel } from './labels.ts';

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);

/** What may be shown of a value that stands in a machine, such as a parameter; `undefined` for nothing of it. */
export type ShownData = (value: unknown) => Json | undefined;

/** What JSON can hold of a value; functions fall out. */
function allData(value: unknown): Json | undefined {
  const text: string | undefined = JSON.stringify(value);
  return text === undefined ? undefined : (JSON.parse(text) as Json);
}

function object(fields: Readonly<Record<string, Json | undefined>>): { readonly [key: string]: Json } {
  const kept = Object.entries(fields).filter((entry): entry is [string, Json] => entry[1] !== undefined);
  return Object.fromEntries(kept);
}

function byKey(value: unknown, convert: (one: unknown) => Json | undefined): Json | undefined {
  if (!isFields(value)) return undefined;
  return object(Object.fromEntries(Object.entries(value).map(([key, one]) => [key, convert(one)])));
}

/**
 * The configuration of a machine as data: what `createMachine()` takes.
 *
 * Actions, guards, delays and actors are there by name; functions and the context are not.
 *
 * @param data default: all that JSON can hold
 */
export function machineJsonOf(machine: AnyStateMachine, data: ShownData = allData): Json {
  return state(machine.config);

  /** A named action or guard with the parameters that are known before the machine runs. */
  function reference(value: unknown, label: string | undefined): Json | undefined {
    if (!isFields(value) || typeof value['type'] !== 'string') return label;
    const params = data(value['params']);
    return params === undefined ? value['type'] : { type: value['type'], params };
  }

  function actions(value: unknown): Json | undefined {
    if (value === undefined) return undefined;
    return listOf(value).map((action) => reference(action, actionLabel(action)) ?? 'inline');
  }

  function transition(value: unknown): Json {
    if (!isFields(value)) return object({ target: data(value) });
    const { target, guard, reenter, description, meta } = value;
    return object({
      target: data(target),
      guard: reference(guard, guardLabel(guard)),
      actions: actions(value['actions']),
      reenter: data(reenter),
      description: data(description),
      meta: data(meta),
    });
  }

  function transitions(value: unknown): Json | undefined {
    return value === undefined ? undefined : listOf(value).map(transition);
  }

  function invocation(value: unknown): Json {
    const { id, src, onDone, onError, onSnapshot } = isFields(value) ? value : {};
    return object({
      id: data(id),
      src: invocationLabel({ id: '', src }),
      onDone: transitions(onDone),
      onError: transitions(onError),
      onSnapshot: transitions(onSnapshot),
    });
  }

  function state(value: unknown): Json {
    const config = isFields(value) ? value : {};
    const { id, initial, type, history, tags, description, meta, on, after, always, invoke, states } = config;
    return object({
      id: data(id),
      description: data(description),
      meta: data(meta),
      type: data(type),
      history: data(history),
      target: data(config['target']),
      initial: data(initial),
      tags: data(tags),
      entry: actions(config['entry']),
      exit: actions(config['exit']),
      invoke: invoke === undefined ? undefined : listOf(invoke).map(invocation),
      on: byKey(on, transitions),
      after: byKey(after, transitions),
      always: transitions(always),
      onDone: transitions(config['onDone']),
      states: byKey(states, state),
    });
  }
}

/** The configuration of a machine as JSON text, which Stately Studio imports. */
export function studioJsonOf(machine: AnyStateMachine): string {
  return JSON.stringify(machineJsonOf(machine), undefined, 2);
}
