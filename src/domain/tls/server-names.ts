const LONGEST_NAME = 253;

/** Letters, digits and hyphens, and the underscore that some use; labels of 63 at most; no address. */
const HOST = /^(?=.*[a-z_-])[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/;

/** Whether a name in lower case may be that of a host, as TLS clients send it. */
export function isHostName(name: string): boolean {
  return name.length <= LONGEST_NAME && HOST.test(name);
}

const BELOW = '*.';

/** What a table of server names has for keys: a host name in lower case, or `*.` and one for all names below it. */
export function isServerNamePattern(pattern: string): boolean {
  return isHostName(pattern.startsWith(BELOW) ? pattern.slice(BELOW.length) : pattern);
}

/** The keys of one table, and what each leads to; plain data, may be sent to a thread. */
export interface ServerNameTable<T> {
  readonly entries: readonly (readonly [pattern: string, to: T])[];
  /** For clients whose name is in no entry, or who send none; absent: nothing. */
  readonly otherwise: T | undefined;
}

/** All that the names of a table lead to. */
export function leadsOf<T>({ entries, otherwise }: ServerNameTable<T>): readonly T[] {
  const leads = entries.map(([, to]) => to);
  return otherwise === undefined ? leads : [...leads, otherwise];
}

/**
 * Finds what a server name leads to: the entry of the name itself, else that of the longest `*.` pattern above it, else
 * what is for all others.
 */
export class ServerNames<T> {
  readonly #entries: ReadonlyMap<string, T>;
  readonly #otherwise: T | undefined;

  constructor({ entries, otherwise }: ServerNameTable<T>) {
    this.#entries = new Map(entries);
    this.#otherwise = otherwise;
  }

  /** @param name in lower case; `undefined` when the client has sent none */
  find(name: string | undefined): T | undefined {
    if (name === undefined) return this.#otherwise;
    const own = this.#entries.get(name);
    if (own !== undefined) return own;
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      const above = this.#entries.get(`*${name.slice(dot)}`);
      if (above !== undefined) return above;
    }
    return this.#otherwise;
  }
}
