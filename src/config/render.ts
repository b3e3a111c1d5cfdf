import { SETTINGS } from './catalogue.ts';
import { type LoadedSettings, valueOf } from './load.ts';
import { type Origin, sqlPlace } from './origin.ts';
import { printed, shownValue } from './shown-value.ts';
import { reasonAgainst } from './sql-settings.ts';

function shownOrigin(origin: Origin | undefined): string {
  if (origin === undefined || origin.from === 'default') return 'default';
  if (origin.from === 'env') return origin.name;
  if (origin.from === 'sql') return sqlPlace(origin);
  return origin.line === undefined ? origin.path : `${origin.path}:${origin.line}`;
}

/** Cuts the middle out of what is longer. */
function shortened(text: string, longest: number): string {
  if (text.length <= longest) return text;
  const kept = longest - 1;
  return `${text.slice(0, Math.ceil(kept / 2))}…${text.slice(-Math.floor(kept / 2))}`;
}

/**
 * The effective settings as an aligned table: key, value, unit, origin; secrets masked; then the warnings.
 *
 * @param longest characters of a value that are shown
 */
export function renderSettings(
  { settings, origins, warnings }: LoadedSettings,
  longest: number = Infinity,
): string {
  const rows = SETTINGS.map((setting) => [
    setting.key,
    `${shortened(shownValue(setting, valueOf(settings, setting.key)), longest)}${setting.unit === undefined ? '' : ` ${setting.unit}`}`,
    shownOrigin(origins.get(setting.key)),
  ]);
  const table = alignColumns([['KEY', 'VALUE', 'ORIGIN'], ...rows]);
  return [table, ...warnings.map((line) => `warning: ${line}`)].join('\n');
}

/** Pads every column but the last to the width of its longest cell. */
export function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  '));
  return lines.map((line) => line.trimEnd()).join('\n');
}

/** The settings table of the README. */
export function settingsMarkdown(): string {
  const rows = SETTINGS.map((setting) => {
    const { key, env, unit, type, standard, reload, description } = setting;
    const value =
      type === 'table' ? '' : `\`${printed(standard ?? '')}\`${unit === undefined ? '' : ` ${unit}`}`;
    return `| ${env === undefined ? '' : `\`${env}\``} | \`${key}\` | ${value.replace('``', '')} | ${reload ? 'yes' : 'no'} | ${description} |`;
  });
  return ['| Variable | Key in the file | Default | Reloadable | |', '|---|---|---|---|---|', ...rows].join(
    '\n',
  );
}

/** The table of docs/reload.md: what a running daemon takes over, and what SQL may give. */
export function reloadMarkdown(): string {
  const rows = SETTINGS.map(({ key, reload }) => {
    const against = reasonAgainst(key);
    return `| \`${key}\` | ${reload ? 'yes' : 'no'} | ${against === undefined ? 'yes' : `no: ${against}`} |`;
  });
  return ['| Key | Reloadable | In SQL |', '|---|---|---|', ...rows].join('\n');
}
