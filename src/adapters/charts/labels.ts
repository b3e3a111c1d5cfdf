/** Words for the parts of a machine, which may be names, objects with parameters, or functions written inline. */

interface Described {
  readonly type?: unknown;
  readonly params?: unknown;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return (typeof value === 'object' && value !== null) || typeof value === 'function' ? { ...value } : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

/** Parameters that are known before the machine runs, as in `announce(open, trial_failed)`. */
function withParams({ type, params }: Described): string {
  const name = textOf(type);
  if (typeof params !== 'object' || params === null) return name;
  return `${name}(${Object.values(params).map(textOf).join(', ')})`;
}

/** What an action that was written inline does, as far as XState's own action creators tell. */
function inlineActionLabel(action: object): string {
  const { type, assignment, event, id, target } = fieldsOf(action);
  const sent = fieldsOf(event)['type'];
  switch (type) {
    case 'xstate.assign':
      return ['assign', ...Object.keys(fieldsOf(assignment))].join(' ');
    case 'xstate.emit':
      return `emit ${typeof sent === 'string' ? sent : ''}`.trimEnd();
    case 'xstate.raise':
      return `raise ${typeof sent === 'string' ? sent : ''}`.trimEnd();
    case 'xstate.sendTo':
      return `send to ${typeof target === 'string' ? target : 'an actor'}`;
    case 'xstate.cancel':
      return `cancel ${typeof id === 'string' ? id : ''}`.trimEnd();
    default:
      return 'inline';
  }
}

export function actionLabel(action: unknown): string {
  if (typeof action === 'string') return action;
  return typeof action === 'function' ? inlineActionLabel(action) : withParams(fieldsOf(action));
}

/** `undefined` for no guard. */
export function guardLabel(guard: unknown): string | undefined {
  if (guard === undefined) return undefined;
  if (typeof guard === 'string') return guard;
  return typeof guard === 'function' ? guard.name || 'inline' : withParams(fieldsOf(guard));
}

export interface Invocation {
  readonly id: string;
  /** The name of the actor, or the actor itself. */
  readonly src: unknown;
}

export function invocationLabel({ src }: Invocation): string {
  return typeof src === 'string' && !src.startsWith('xstate.') ? src : 'inline actor';
}

/**
 * The event of a transition as a person would say it.
 *
 * @param nodeId of the state that the transition belongs to, part of the names of its timers
 * @param invocations of that state, to name the actor that is done or has failed
 */
export function eventLabel(type: string, nodeId: string, invocations: readonly Invocation[]): string {
  const after = 'xstate.after.';
  if (type.startsWith(after)) return `after ${type.slice(after.length, -nodeId.length - 1)}`;
  const [, kind, actorId] = /^xstate\.(done|error)\.actor\.(.*)$/s.exec(type) ?? [];
  if (kind !== undefined) {
    const invocation = invocations.find(({ id }) => id === actorId);
    return `${invocation === undefined ? actorId : invocationLabel(invocation)} ${kind === 'done' ? 'done' : 'failed'}`;
  }
  if (type.startsWith('xstate.done.state.')) return 'done';
  return type === '*' ? 'any event' : type;
}
