/** Where an effective value comes from. */
export type Origin =
  | { readonly from: 'default' }
  | { readonly from: 'file'; readonly path: string; readonly line: number | undefined }
  | { readonly from: 'env'; readonly name: string };

/** What a person calls a setting where it was given: its variable, or its key with file and line. */
export function nameOf(key: string, origins: ReadonlyMap<string, Origin>): string {
  const origin = origins.get(key);
  if (origin?.from === 'env') return origin.name;
  return origin?.from === 'file' && origin.line !== undefined ? `${origin.path}:${origin.line}: ${key}` : key;
}
