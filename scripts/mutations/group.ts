/** Ways to break a machine on purpose. */

export interface Mutation {
  /** What is wrong then, in words. */
  readonly name: string;
  readonly file: string;
  /** Text that is there exactly once. */
  readonly find: string;
  readonly replace: string;
}

export interface MutationGroup {
  readonly machine: string;
  /** Test files, of which one must fail; they run in this order, so those that take longest come last. */
  readonly tests: readonly string[];
  readonly mutations: readonly Mutation[];
}

export type Change = readonly [name: string, find: string, replace: string];

/** The mutations of one file, each named for what is wrong then. */
export function mutationGroup(
  machine: string,
  file: string,
  tests: readonly string[],
  changes: readonly Change[],
): MutationGroup {
  const mutations = changes.map(([name, find, replace]) => ({ name, file, find, replace }));
  return { machine, tests, mutations };
}
