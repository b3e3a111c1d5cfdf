/**
 * Asks the registry whether what edgeproxy depends on is known to be vulnerable, and fails when it is, from `high` on.
 *
 * A registry that cannot be reached, or a mirror that answers no audits, is no reason to fail, and no reason to say
 * that all is well: that is told, loudly. So that a mirror which answers everything with "nothing known" is not
 * believed, a package of which something is known is asked about first.
 *
 *     canary ── unanswered, or nothing known ──► NOT AUDITED (exit 0)
 *        └─ known ──► own dependencies ── unanswered ──► NOT AUDITED (exit 0)
 *                                      ├─ high, critical ──► VULNERABLE (exit 1)
 *                                      └─ else ──► audited (exit 0)
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf } from '../src/errors.ts';

const TIMEOUT_MS = 120_000;

/** Since 2020, and nothing will change that: CVE-2020-7598, CVE-2021-44906. */
const CANARY = { name: 'minimist', version: '0.0.8' };

/** What a run of `npm audit --json` has said; `severe` are the names of packages, from `high` on. */
export type Audited =
  | { readonly isAnswered: true; readonly known: number; readonly severe: readonly string[] }
  | { readonly isAnswered: false; readonly reason: string };

const SEVERE: ReadonlySet<string> = new Set(['high', 'critical']);

const reportSchema = z.object({
  vulnerabilities: z.record(z.string(), z.object({ severity: z.string() })),
  metadata: z.object({ vulnerabilities: z.object({ total: z.int() }) }),
});
const failureSchema = z.object({ message: z.string() });

/** Reads the output of a run; whatever is no report is no answer. */
export function readAudit(output: string): Audited {
  let value: unknown;
  try {
    value = JSON.parse(output);
  } catch (thrown) {
    return { isAnswered: false, reason: `npm audit printed no JSON: ${messageOf(thrown)}` };
  }
  const report = reportSchema.safeParse(value);
  if (!report.success) {
    const failure = failureSchema.safeParse(value);
    return {
      isAnswered: false,
      reason: failure.success ? failure.data.message : 'npm audit printed no report',
    };
  }
  const { vulnerabilities, metadata } = report.data;
  const severe = Object.entries(vulnerabilities).filter(([, { severity }]) => SEVERE.has(severity));
  return {
    isAnswered: true,
    known: metadata.vulnerabilities.total,
    severe: severe.map(([name, { severity }]) => `${name} (${severity})`),
  };
}

export interface Verdict {
  readonly exitCode: 0 | 1;
  readonly lines: readonly string[];
}

function notAudited(reason: string): Verdict {
  const lines = [
    'DEPENDENCIES NOT AUDITED',
    reason,
    'Nothing is known about vulnerabilities of the dependencies.',
  ];
  return { exitCode: 0, lines };
}

/** @param ask runs an audit: of the canary, or of the project */
export function verdictOf(ask: (what: 'canary' | 'project') => Audited): Verdict {
  const canary = ask('canary');
  if (!canary.isAnswered) return notAudited(canary.reason);
  if (canary.known === 0) {
    const { name, version } = CANARY;
    return notAudited(
      `The registry knows nothing of ${name} ${version}, so it would know nothing of others.`,
    );
  }
  const project = ask('project');
  if (!project.isAnswered) return notAudited(project.reason);
  const { known, severe } = project;
  if (severe.length > 0) return { exitCode: 1, lines: ['DEPENDENCIES VULNERABLE', ...severe] };
  return { exitCode: 0, lines: [`DEPENDENCIES AUDITED, none severe, ${known} of lower severity`] };
}

function npmAudit(args: readonly string[], folder: string): Audited {
  const options = { cwd: folder, encoding: 'utf8', timeout: TIMEOUT_MS, maxBuffer: 64 << 20 } as const;
  const { stdout, error } = spawnSync('npm', ['audit', '--json', ...args], options);
  return error === undefined ? readAudit(stdout) : { isAnswered: false, reason: messageOf(error) };
}

function auditCanary(): Audited {
  const folder = mkdtempSync(join(tmpdir(), 'edgeproxy-audit-'));
  try {
    const { name, version } = CANARY;
    const manifest = { name: 'canary', version: '1.0.0', dependencies: { [name]: version } };
    const packages = { '': manifest, [`node_modules/${name}`]: { version } };
    const lock = { ...manifest, dependencies: undefined, lockfileVersion: 3, requires: true, packages };
    writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest));
    writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock));
    return npmAudit(['--package-lock-only'], folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const root = new URL('..', import.meta.url).pathname;
  const { exitCode, lines } = verdictOf((what) =>
    what === 'canary' ? auditCanary() : npmAudit(['--omit=dev'], root),
  );
  const isQuiet = lines.length === 1;
  const rule = '='.repeat(80);
  process.stderr.write(`${(isQuiet ? lines : [rule, ...lines, rule]).join('\n')}\n`);
  process.exitCode = exitCode;
}
