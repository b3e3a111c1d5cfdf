/**
 * Finds what is for a server name: by the name itself, or by a wildcard for its first label.
 *
 * Source: RFC 6125, section 6.4.3 (a wildcard stands for one label, the leftmost).
 */
export class ServerNames<T> {
  readonly #byName = new Map<string, T>();

  /** What was added first for a name stays. @param name such as `edge.example` or `*.edge.example`, in lower case */
  add(name: string, value: T): void {
    if (!this.#byName.has(name)) this.#byName.set(name, value);
  }

  find(serverName: string): T | undefined {
    const name = serverName.toLowerCase();
    const dot = name.indexOf('.');
    return this.#byName.get(name) ?? (dot < 1 ? undefined : this.#byName.get(`*${name.slice(dot)}`));
  }
}
