import type { AnyStateMachine, AnyStateNode } from 'xstate';
import { actionLabel, eventLabel, guardLabel, invocationLabel } from './labels.ts';

/** A machine as something to draw. */
export interface Chart {
  readonly id: string;
  /** The machine itself. */
  readonly root: ChartState;
  readonly transitions: readonly ChartTransition[];
}

export interface ChartState {
  /** Keys from the root, such as `present.row.active`; the root's own is empty. */
  readonly path: string;
  readonly name: string;
  readonly type: 'atomic' | 'compound' | 'parallel' | 'final' | 'history';
  /** Path of the child that a compound state begins in. */
  readonly initial: string | undefined;
  /** What happens inside: entry and exit actions, actors, and transitions that stay; `↻` marks that it starts over. */
  readonly lines: readonly string[];
  readonly children: readonly ChartState[];
}

export interface ChartTransition {
  readonly from: string;
  readonly to: string;
  /** Its type as it comes with events; empty for a transition that waits for none. */
  readonly event: string;
  readonly label: ChartLabel;
}

export interface ChartLabel {
  /** The event with its guard, as in `WENT_DOWN [isToCut]`. */
  readonly when: string;
  readonly actions: readonly string[];
}

/** One way out of a state, or what it does about an event in place. */
interface Rule {
  readonly event: string;
  readonly guard: string | undefined;
  readonly label: ChartLabel;
  readonly reenter: boolean;
  readonly target: AnyStateNode | undefined;
}

const pathOf = (node: AnyStateNode): string => node.path.join('.');

function isWithin(node: AnyStateNode, outer: AnyStateNode): boolean {
  return node === outer || (node.parent !== undefined && isWithin(node.parent, outer));
}

function rulesOf(node: AnyStateNode): readonly Rule[] {
  const transitions = [
    ...node.transitions.values(),
    ...(node.always === undefined ? [] : [node.always]),
  ].flat();
  return transitions.flatMap(({ eventType, guard, actions, target, reenter }) => {
    const guardText = guardLabel(guard);
    const when = [eventLabel(eventType, node.id, node.invoke), guardText && `[${guardText}]`]
      .filter(Boolean)
      .join(' ');
    const label = { when, actions: actions.map(actionLabel) };
    const targets: readonly (AnyStateNode | undefined)[] = target ?? [undefined];
    return targets.map((one) => ({ event: eventType, guard: guardText, label, reenter, target: one }));
  });
}

/** Whether a state's own rules leave nothing of one that it would take over from its parent. */
function isOverridden({ event, guard }: Rule, own: readonly Rule[]): boolean {
  return own.some((rule) => rule.event === event && (rule.guard === undefined || rule.guard === guard));
}

const listed = (value: unknown): readonly unknown[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value];

const lineOf = ({ when, actions }: ChartLabel): string =>
  actions.length === 0 ? when : `${when} / ${actions.join(', ')}`;

function ownLines({ config, invoke }: AnyStateNode): readonly string[] {
  const onEdge = (edge: 'entry' | 'exit') => {
    const actions = listed(config[edge]).map(actionLabel);
    return actions.length === 0 ? [] : [`${edge} / ${actions.join(', ')}`];
  };
  return [...onEdge('entry'), ...onEdge('exit'), ...invoke.map((one) => `invoke ${invocationLabel(one)}`)];
}

/**
 * Reads a machine into states and transitions.
 *
 * A transition from a composite state into itself is given to each of its children that does not override it, and so
 * is everything that the machine does in every state: that is how it works, and drawing tools refuse such edges.
 */
export function chartOf(machine: AnyStateMachine): Chart {
  const transitions: ChartTransition[] = [];

  function read(node: AnyStateNode, inherited: readonly Rule[]): ChartState {
    const own = rulesOf(node);
    const rules = [...own, ...inherited.filter((rule) => !isOverridden(rule, own))];
    const children = Object.values(node.states);
    const isForChildren = ({ target }: Rule): boolean => {
      if (children.length === 0) return false;
      return target === undefined
        ? node.parent === undefined && node.type === 'compound'
        : isWithin(target, node);
    };
    const mayInherit = (child: AnyStateNode, { target }: Rule): boolean =>
      child.type !== 'final' &&
      child.type !== 'history' &&
      (node.type !== 'parallel' || (target !== undefined && isWithin(target, child)));
    const here = rules.filter((rule) => !isForChildren(rule));
    for (const { target, event, label } of here) {
      if (target !== undefined && target !== node)
        transitions.push({ from: pathOf(node), to: pathOf(target), event, label });
    }
    const startsOver = (rule: Rule): boolean => rule.target === node && (rule.reenter || !own.includes(rule));
    const staying = here.filter(
      ({ target, label }) => target === node || (target === undefined && label.actions.length > 0),
    );
    const stayingLines = staying.map((rule) => `${startsOver(rule) ? '↻ ' : ''}${lineOf(rule.label)}`);
    const passedOn = rules.filter(isForChildren);
    return {
      path: pathOf(node),
      name: node.key,
      type: node.type,
      initial: node.type === 'compound' ? node.initial.target.map(pathOf)[0] : undefined,
      lines: [...ownLines(node), ...stayingLines],
      children: children.map((child) =>
        read(
          child,
          passedOn.filter((rule) => mayInherit(child, rule)),
        ),
      ),
    };
  }

  const root = read(machine.root, []);
  return { id: machine.id, root, transitions };
}
