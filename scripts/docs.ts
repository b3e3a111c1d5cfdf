/**
 * Rewrites the generated parts of the documentation; with `--check` it changes nothing and fails when one is out
 * of date.
 *
 *     <!-- settings:start -->  the settings table, made from the schema  <!-- settings:end -->
 *     <!-- keys:start -->      which of them may change while running, and in SQL    <!-- keys:end -->
 *     <!-- licences:start -->  the packages that are installed with edgeproxy     <!-- licences:end -->
 *     <!-- chart:start -->     the statechart of the page                <!-- chart:end -->
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { chartMarkdown, chartsMarkdown } from '../src/adapters/charts/markdown.ts';
import { reloadMarkdown, settingsMarkdown } from '../src/config/render.ts';
import { backendMachine } from '../src/machines/backend.ts';
import { circuitBreakerMachine } from '../src/machines/circuit-breaker.ts';
import { healthCheckerMachine } from '../src/machines/health-checker.ts';
import { MACHINES } from '../src/machines/registry.ts';
import { licencesMarkdown } from './licences.ts';

interface GeneratedPart {
  readonly file: string;
  readonly name: string;
  readonly content: () => string;
}

const PARTS: readonly GeneratedPart[] = [
  { file: 'README.md', name: 'settings', content: settingsMarkdown },
  { file: 'docs/reload.md', name: 'keys', content: reloadMarkdown },
  { file: 'docs/machines.md', name: 'charts', content: () => chartsMarkdown(MACHINES) },
  { file: 'docs/licences.md', name: 'licences', content: licencesMarkdown },
  { file: 'docs/circuit-breaker.md', name: 'chart', content: () => chartMarkdown(circuitBreakerMachine) },
  { file: 'docs/health-checks.md', name: 'chart', content: () => chartMarkdown(healthCheckerMachine) },
  { file: 'docs/backend-life.md', name: 'chart', content: () => chartMarkdown(backendMachine) },
];

/** The text with the content between the markers of `name` replaced; throws when the markers are not there. */
export function withPart(text: string, name: string, content: string): string {
  const [start, end] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`];
  const from = text.indexOf(start);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`expected ${start} and after it ${end}`);
  return `${text.slice(0, from + start.length)}\n${content}\n${text.slice(to)}`;
}

/** Brings every generated part up to date; returns the files that were not. */
function regenerate({ write }: { readonly write: boolean }): readonly string[] {
  return PARTS.filter(({ file, name, content }) => {
    const url = new URL(`../${file}`, import.meta.url);
    const text = readFileSync(url, 'utf8');
    const wanted = withPart(text, name, content());
    if (write && wanted !== text) writeFileSync(url, wanted);
    return wanted !== text;
  }).map(({ file }) => file);
}

if (import.meta.main) {
  const isCheck = process.argv.includes('--check');
  const outdated = regenerate({ write: !isCheck });
  if (isCheck && outdated.length > 0) {
    process.stderr.write(`out of date: ${outdated.join(', ')}; run: npm run docs\n`);
    process.exitCode = 1;
  }
}
