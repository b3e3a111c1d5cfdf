import { describe, expect, it } from 'vitest';
import { type Audited, readAudit, verdictOf } from '../../scripts/audit.ts';

const report = (vulnerabilities: Readonly<Record<string, string>>): string => {
  const entries = Object.entries(vulnerabilities);
  return JSON.stringify({
    auditReportVersion: 2,
    vulnerabilities: Object.fromEntries(
      entries.map(([name, severity]) => [name, { name, severity, via: [] }]),
    ),
    metadata: { vulnerabilities: { total: entries.length } },
  });
};

/** The registries that a run may meet, by what they print. */
const KNOWS = report({ minimist: 'critical' });
const KNOWS_NOTHING = report({});
const REFUSES = JSON.stringify({ message: '405 Method Not Allowed - POST https://r/bulk', statusCode: 405 });
const UNREACHABLE = JSON.stringify({ message: 'request to https://r failed', error: { code: 'ENOTFOUND' } });

const verdict = (canary: string, project: string) =>
  verdictOf((what): Audited => readAudit(what === 'canary' ? canary : project));

describe('the audit of dependencies', () => {
  it.each([
    [
      'is known to be vulnerable',
      report({ pg: 'high', hono: 'low' }),
      1,
      ['DEPENDENCIES VULNERABLE', 'pg (high)'],
    ],
    [
      'is known well enough',
      report({ hono: 'moderate' }),
      0,
      ['DEPENDENCIES AUDITED, none severe, 1 of lower severity'],
    ],
    ['is not known at all', KNOWS_NOTHING, 0, ['DEPENDENCIES AUDITED, none severe, 0 of lower severity']],
  ])('of which something %s says so', (_, project, exitCode, lines) => {
    expect(verdict(KNOWS, project)).toEqual({ exitCode, lines });
  });

  it.each([
    ['refuses', REFUSES, '405 Method Not Allowed - POST https://r/bulk'],
    ['cannot be reached', UNREACHABLE, 'request to https://r failed'],
    ['answers nonsense', '<html>', 'npm audit printed no JSON'],
    ['answers nothing', '', 'npm audit printed no JSON'],
    ['answers something else', '{}', 'npm audit printed no report'],
    ['knows nothing of what everybody knows', KNOWS_NOTHING, 'The registry knows nothing of minimist 0.0.8'],
  ])('by a registry that %s never says that all is well', (_, canary, reason) => {
    const { exitCode, lines } = verdict(canary, KNOWS_NOTHING);
    expect([exitCode, lines[0], lines[1]]).toEqual([
      0,
      'DEPENDENCIES NOT AUDITED',
      expect.stringContaining(reason),
    ]);
  });

  it('that ends half-way never says that all is well', () => {
    expect(verdict(KNOWS, UNREACHABLE).lines[0]).toBe('DEPENDENCIES NOT AUDITED');
  });
});
