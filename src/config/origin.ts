import { EdgeProxyError } from '../errors.ts';

/** A row of the table of settings: for every daemon, or for those of one region, or for one node. */
export interface SqlOrigin {
  readonly from: 'sql';
  readonly region?: string;
  readonly node?: string;
}

/** Where an effective value comes from. */
export type Origin =
  | { readonly from: 'default' }
  | SqlOrigin
  | { readonly from: 'file'; readonly path: string; readonly line: number | undefined }
  | { readonly from: 'env'; readonly name: string };

/** The table of settings in SQL. */
export const SQL_SETTINGS_TABLE = 'edgeproxy.settings';

/** What a person calls a row of the table of settings, but for its key. */
export function sqlPlace({ region, node }: SqlOrigin): string {
  const scope = [
    ...(region === undefined ? [] : [`region ${region}`]),
    ...(node === undefined ? [] : [`node ${node}`]),
  ];
  return scope.length === 0 ? SQL_SETTINGS_TABLE : `${SQL_SETTINGS_TABLE} (${scope.join(', ')})`;
}

/** What a person calls a setting where it was given: its variable, or its key with file and line or its row. */
export function nameOf(key: string, origins: ReadonlyMap<string, Origin>): string {
  const origin = origins.get(key);
  if (origin?.from === 'env') return origin.name;
  if (origin?.from === 'sql') return `${sqlPlace(origin)}: ${key}`;
  return origin?.from === 'file' && origin.line !== undefined ? `${origin.path}:${origin.line}: ${key}` : key;
}

/** Does something; in an error about a setting, that is called as where it was given. */
export async function naming<Result>(
  origins: ReadonlyMap<string, Origin>,
  work: () => Result | Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof EdgeProxyError ? error.named((key) => nameOf(key, origins)) : error;
  }
}
