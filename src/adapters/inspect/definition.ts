import { type Json, maskText, sanitize } from './sanitize.ts';

type Fields = Readonly<Record<string, unknown>>;

const asFields = (value: unknown): Fields | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;

function mapFields(value: unknown, each: (field: unknown) => Json): Json | undefined {
  const fields = asFields(value);
  if (fields === undefined) return undefined;
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, each(field)]));
}

function mapList(value: unknown, each: (item: unknown) => Json): Json | undefined {
  if (value === undefined) return undefined;
  return Array.isArray(value) ? value.map(each) : each(value);
}

/** Without what is not there. */
function compact(fields: Readonly<Record<string, Json | undefined>>): Json {
  return Object.fromEntries(
    Object.entries(fields).filter((entry): entry is [string, Json] => entry[1] !== undefined),
  );
}

/** The name of an action, guard or actor that is written in place: `assign`, `raise`, the function's own, or inline. */
export function nameOfFunction(inline: { readonly name: string; readonly type?: unknown }): string {
  const builtIn = typeof inline.type === 'string' ? inline.type.replace(/^xstate\./, '') : '';
  return builtIn || inline.name || 'inline';
}

function named(value: unknown): Json {
  if (typeof value === 'function') return { type: nameOfFunction(value) };
  const fields = asFields(value);
  if (fields === undefined) return sanitize(value) ?? null;
  return compact({ type: sanitize(fields['type'] ?? 'inline'), params: sanitize(fields['params']) });
}

const text = (value: unknown): Json | undefined => (typeof value === 'string' ? maskText(value) : undefined);

function transition(value: unknown): Json {
  const fields = asFields(value);
  if (fields === undefined) return sanitize(value) ?? {};
  return compact({
    target: sanitize(fields['target']),
    guard: fields['guard'] === undefined ? undefined : named(fields['guard']),
    actions: mapList(fields['actions'], named),
    reenter: sanitize(fields['reenter']),
    description: text(fields['description']),
  });
}

const transitions = (value: unknown): Json => mapList(value, transition) ?? {};

function invocation(value: unknown): Json {
  const fields = asFields(value) ?? {};
  return compact({
    id: text(fields['id']),
    src: text(fields['src']) ?? 'inline',
    onDone: mapList(fields['onDone'], transition),
    onError: mapList(fields['onError'], transition),
    onSnapshot: mapList(fields['onSnapshot'], transition),
  });
}

function stateNode(value: unknown): Json {
  const fields = asFields(value) ?? {};
  return compact({
    id: text(fields['id']),
    description: text(fields['description']),
    type: text(fields['type']),
    initial: sanitize(fields['initial']),
    history: sanitize(fields['history']),
    target: text(fields['target']),
    tags: sanitize(fields['tags']),
    meta: sanitize(fields['meta']),
    entry: mapList(fields['entry'], named),
    exit: mapList(fields['exit'], named),
    invoke: mapList(fields['invoke'], invocation),
    on: mapFields(fields['on'], transitions),
    after: mapFields(fields['after'], transitions),
    always: mapList(fields['always'], transition),
    onDone: mapList(fields['onDone'], transition),
    states: mapFields(fields['states'], stateNode),
  });
}

/**
 * A machine's configuration as data that the Stately inspector reads: functions become their names, and what is
 * meant for the inside (context, input, output, functions of parameters) is left out.
 *
 * @param config the `config` of a machine
 */
export function describeMachine(config: unknown): Json {
  return stateNode(config);
}
