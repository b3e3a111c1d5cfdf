import type { AnyStateMachine } from 'xstate';
import { actionLabel, guardLabel, invocationLabel } from './labels.ts';

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null;

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);

/** What JSON can hold of a value; functions fall out. */
function data(value: unknown): Json | undefined {
  const text: string | undefined = JSON.stringify(value);
  return text === undefined ? undefined : (JSON.parse(text) as Json);
}

function object(fields: Readonly<Record<string, Json | undefined>>): { readonly [key: string]: Json } {
  const kept = Object.entries(fields).filter((entry): entry is [string, Json] => entry[1] !== undefined);
  return Object.fromEntries(kept);
}

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

function byKey(value: unknown, convert: (one: unknown) => Json | undefined): Json | undefined {
  if (!isFields(value)) return undefined;
  return object(Object.fromEntries(Object.entries(value).map(([key, one]) => [key, convert(one)])));
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

/**
 * The configuration of a machine as JSON: what `createMachine()` takes, and so what Stately Studio imports.
 *
 * Actions, guards, delays and actors are there by name; functions and the context are not.
 */
export function studioJsonOf(machine: AnyStateMachine): string {
  return JSON.stringify(state(machine.config), undefined, 2);
}
