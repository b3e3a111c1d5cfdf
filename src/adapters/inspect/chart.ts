import type { AnyStateMachine, AnyStateNode } from 'xstate';
import { nameOfFunction } from './definition.ts';
import { maskText } from './sanitize.ts';

export type ChartStateType = 'atomic' | 'compound' | 'parallel' | 'final' | 'history';

/** What takes a transition: an event and its guard. `eventType` is as it comes with events. */
export interface Trigger {
  readonly eventType: string;
  readonly label: string;
  readonly guard?: string;
}

export interface ChartState {
  readonly id: string;
  readonly key: string;
  readonly type: ChartStateType;
  readonly isInitial: boolean;
  /** What happens within: entry and exit actions, invoked actors, transitions that stay inside. */
  readonly rows: readonly string[];
  readonly children: readonly ChartState[];
}

/** All transitions from one state to one other. */
export interface ChartEdge {
  readonly source: string;
  readonly target: string;
  readonly triggers: readonly Trigger[];
}

/** A machine as a picture needs it. */
export interface Chart {
  readonly root: ChartState;
  readonly edges: readonly ChartEdge[];
}

type TransitionOf = AnyStateNode['always'] extends readonly (infer T)[] | undefined ? T : never;

function nameOf(item: unknown): string {
  if (typeof item === 'string') return maskText(item);
  if (typeof item === 'function') return nameOfFunction(item);
  const type: unknown = typeof item === 'object' && item !== null && 'type' in item ? item.type : undefined;
  return typeof type === 'string' ? maskText(type) : 'inline';
}

function namesOf(items: readonly unknown[]): string {
  return items.map(nameOf).join(', ');
}

/** The event as a person names it: `after openLeft`, `probe done`, `always`. */
function eventLabel(eventType: string, node: AnyStateNode): string {
  if (eventType === '') return 'always';
  if (eventType === '*') return 'any event';
  const [, kind, rest = ''] =
    /^xstate\.(after|done\.state|done\.actor|error\.actor|snapshot)\.(.*)$/.exec(eventType) ?? [];
  switch (kind) {
    case 'after': {
      const delay = rest.endsWith(`.${node.id}`) ? rest.slice(0, -node.id.length - 1) : rest;
      return /^\d+$/.test(delay) ? `after ${delay} ms` : `after ${delay}`;
    }
    case 'done.state':
      return 'done';
    case 'done.actor':
    case 'error.actor':
    case 'snapshot': {
      const actor = node.invoke.find(({ id }) => id === rest);
      const what = { 'done.actor': 'done', 'error.actor': 'failed', snapshot: 'changed' }[kind];
      return `${actor === undefined ? rest : nameOf(actor.src)} ${what}`;
    }
    default:
      return eventType;
  }
}

function triggerOf(transition: TransitionOf, node: AnyStateNode): Trigger {
  const { eventType, guard } = transition;
  const label = eventLabel(eventType, node);
  return guard === undefined ? { eventType, label } : { eventType, label, guard: nameOf(guard) };
}

const isWithin = (node: AnyStateNode, ancestor: AnyStateNode): boolean =>
  ancestor.path.every((key, depth) => node.path[depth] === key);

function transitionsOf(node: AnyStateNode): readonly TransitionOf[] {
  return [...[...node.transitions.values()].flat(), ...(node.always ?? [])];
}

/** A transition that leaves no box of the picture: to itself, into itself, or to nowhere. */
function isInner({ target }: TransitionOf, node: AnyStateNode): boolean {
  return (target ?? []).every((to) => isWithin(to, node) || isWithin(node, to));
}

function innerRow(transition: TransitionOf, node: AnyStateNode): string {
  const { target, actions, reenter } = transition;
  const goal = target?.[0];
  const targets = goal === undefined || goal === node ? '' : ` → ${goal.key}`;
  const again = reenter && goal === node ? ' ↻' : '';
  const effects = actions.length === 0 ? '' : ` / ${namesOf(actions)}`;
  const { label, guard } = triggerOf(transition, node);
  return `${label}${guard === undefined ? '' : ` [${guard}]`}${again}${targets}${effects}`;
}

/** The actions of an entry or exit without those by which XState keeps the timers of `after`. */
function ownActions(actions: readonly unknown[], { after }: AnyStateNode): string {
  const names = actions.map(nameOf);
  return (after.length === 0 ? names : names.filter((name) => name !== 'raise' && name !== 'cancel')).join(
    ', ',
  );
}

function stateOf(node: AnyStateNode): ChartState {
  const [entry, exit] = [ownActions(node.entry, node), ownActions(node.exit, node)];
  const ignored = new Set(
    [...node.transitions.values()]
      .flat()
      .filter((one) => one.target === undefined && one.actions.length === 0),
  );
  const rows = [
    ...(entry === '' ? [] : [`entry / ${entry}`]),
    ...(exit === '' ? [] : [`exit / ${exit}`]),
    ...node.invoke.map(({ src }) => `runs ${nameOf(src)}`),
    ...transitionsOf(node)
      .filter((transition) => isInner(transition, node) && !ignored.has(transition))
      .map((transition) => innerRow(transition, node)),
  ];
  return {
    id: node.id,
    key: node.key,
    type: node.type,
    isInitial: node.parent?.type === 'compound' && node.parent.initial.target[0] === node,
    rows: [...new Set(rows)],
    children: Object.values(node.states).map(stateOf),
  };
}

function edgesOf(node: AnyStateNode): readonly ChartEdge[] {
  const byTarget = new Map<string, Trigger[]>();
  for (const transition of transitionsOf(node)) {
    if (isInner(transition, node)) continue;
    for (const { id } of transition.target ?? []) {
      const triggers = byTarget.get(id) ?? [];
      byTarget.set(id, [...triggers, triggerOf(transition, node)]);
    }
  }
  const own = [...byTarget].map(([target, triggers]) => ({ source: node.id, target, triggers }));
  return [...own, ...Object.values(node.states).flatMap(edgesOf)];
}

/** Reads the states and transitions of a machine (`toDirectedGraph` of XState leaves out `always`). */
export function chartOf(machine: AnyStateMachine): Chart {
  return { root: stateOf(machine.root), edges: edgesOf(machine.root) };
}
