/** Nested tables, as a TOML file gives them. */
export type Tree = Record<string, unknown>;

/** What stands at a path, `undefined` when nothing does. */
export function at(tree: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (node, part) => (typeof node === 'object' && node !== null ? Reflect.get(node, part) : undefined),
    tree,
  );
}

/** Puts a value at a path, and makes the tables on the way. */
export function assign(tree: Tree, path: readonly string[], value: unknown): void {
  const [name, ...rest] = path;
  if (rest.length === 0) tree[name!] = value;
  else {
    const child = tree[name!];
    // A value where a table belongs stays, so that the schema names it.
    if (child !== undefined && (typeof child !== 'object' || child === null)) return;
    assign((tree[name!] ??= {}) as Tree, rest, value);
  }
}

/** A path as it is written: `backends[0].port`. */
export function dotted(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index ? '.' : ''}${String(part)}`))
    .join('');
}
