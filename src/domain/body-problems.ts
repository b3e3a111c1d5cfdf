import type { z } from 'zod';
import { describeIssue } from './backend.ts';

const LONGEST_NAME = 200;

function problemsOf(issue: z.core.$ZodIssue, body: unknown, whole: string): readonly string[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${JSON.stringify(key).slice(0, LONGEST_NAME)}: no such field`);
  }
  return [issue.path.length === 0 ? whole : describeIssue(issue, body)];
}

/**
 * Everything that is wrong with a body, in one line: the field, its value, and what is expected there.
 *
 * @param whole what to say of a body that is no object at all
 */
export function bodyProblem({ issues }: z.ZodError, body: unknown, whole: string): string {
  return issues.flatMap((issue) => problemsOf(issue, body, whole)).join('; ');
}
