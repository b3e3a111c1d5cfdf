import type { AnyStateMachine } from 'xstate';
import { chartOf } from './chart.ts';
import { mermaidOf } from './mermaid.ts';

export interface DescribedMachine {
  readonly name: string;
  readonly machine: AnyStateMachine;
  readonly description: string;
}

/** One chart as a fenced block of Mermaid, which GitHub draws. */
export function chartMarkdown(machine: AnyStateMachine): string {
  return ['```mermaid', mermaidOf(chartOf(machine)), '```'].join('\n');
}

/** All machines with their charts, one section each. */
export function chartsMarkdown(machines: readonly DescribedMachine[]): string {
  return machines
    .map(({ name, machine, description }) => [`## ${name}`, description, chartMarkdown(machine)].join('\n\n'))
    .join('\n\n');
}
