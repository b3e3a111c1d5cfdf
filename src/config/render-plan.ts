import { endpointOf } from '../domain/backend.ts';
import type { BackendStep, ColumnChange } from '../domain/backend-plan.ts';
import type { Plan, PlannedSetting } from './plan.ts';
import { alignColumns } from './render.ts';

const CAUSES = {
  missing: 'its row is gone',
  deleted: 'it is deleted',
  moved: 'it moves to another address',
} as const;

/** A plan for people: settings, then backends, then warnings, a line each. */
export function renderPlan(plan: Plan): string {
  if (!plan.isValid)
    return ['It would be refused, and nothing would change:', ...plan.problems.map(indented)].join('\n');
  const { settings, backends, skipped, warnings, drainTimeoutSecs } = plan;
  const rows = [
    ...backends.map((step) => [
      `${SIGNS[step.kind]} ${step.backend.id}`,
      endpointOf(step.backend),
      effectOf(step, drainTimeoutSecs),
    ]),
    ...skipped.map(({ id, problems }) => [`! ${id}`, '', `is no backend: ${problems.join(', ')}`]),
  ];
  const blocks = [...block('settings', settings.map(settingRow)), ...block('backends', rows)];
  const end = blocks.length === 0 ? 'Nothing would change.' : 'Nothing of it has been applied.';
  return [...blocks, ...warnings.map((line) => `warning: ${line}`), end].join('\n');
}

const SIGNS: Readonly<Record<BackendStep['kind'], string>> = {
  comes: '+',
  leaves: '-',
  returns: '+',
  changes: '~',
};

const indented = (line: string): string => `  ${line}`;

function block(title: string, rows: readonly (readonly string[])[]): readonly string[] {
  if (rows.length === 0) return [];
  return [title, ...alignColumns(rows).split('\n').map(indented)];
}

function settingRow(setting: PlannedSetting): readonly string[] {
  return [setting.key, `${setting.old} → ${setting.new}`, whenText(setting)];
}

function whenText(setting: PlannedSetting): string {
  switch (setting.takesEffect) {
    case 'refused':
      return `keeps its old value: ${setting.reason}`;
    case 'not known':
      return `not known whether at once: ${setting.reason}`;
    default:
      return setting.takesEffect;
  }
}

function effectOf(step: BackendStep, drainTimeoutSecs: number): string {
  switch (step.kind) {
    case 'comes':
      return 'comes';
    case 'returns':
      return `takes part again, ${staying(step.connections)}`;
    case 'leaves':
      return step.connections === 0
        ? `leaves (${CAUSES[step.cause]}), without a connection`
        : `leaves (${CAUSES[step.cause]}): ${counted(step.connections)} may go on for ${drainTimeoutSecs} s at most`;
    case 'changes':
      return `${step.columns.map(columnText).join(', ')}; ${staying(step.connections)}${shutTo(step)}`;
    default:
      return step satisfies never;
  }
}

function columnText({ column, old, new: next }: ColumnChange): string {
  return `${column} ${valueText(old)} → ${valueText(next)}`;
}

function valueText(value: unknown): string {
  if (value === null) return '(none)';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function shutTo({ backend: { adminUp, weight } }: BackendStep): string {
  return adminUp && weight > 0 ? '' : ', no new client comes';
}

function counted(connections: number): string {
  return connections === 1 ? '1 connection' : `${connections} connections`;
}

function staying(connections: number): string {
  return `${counted(connections)} ${connections === 1 ? 'stays' : 'stay'}`;
}
