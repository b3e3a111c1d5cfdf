/**
 * Every error that edgeproxy raises on purpose, with a code that callers may match on.
 *
 * Messages are for people and may change; codes are stable. `docs/errors.md` lists each code with what to do
 * about it, and a test keeps that list complete.
 */
export const ERROR_CODES = {
  ERR_USAGE: 'The command line is wrong.',
  ERR_SETTINGS_FILE: 'The configuration file cannot be read or is not TOML.',
  ERR_SETTINGS_INVALID: 'A setting is unknown, malformed, out of range, or missing.',
  ERR_ENGINE: 'The engine that is asked for does not work on this machine.',
  ERR_LISTEN: 'A listen address cannot be bound.',
  ERR_TLS: 'A certificate, its key or the certificates of clients cannot be used.',
  ERR_GEOIP: 'The GeoIP database cannot be opened.',
  ERR_STATE_DIR: 'The state folder cannot be created or written.',
  ERR_POSTGRES_SCHEMA: 'The backends table has another shape than edgeproxy needs.',
  ERR_POSTGRES: 'PostgreSQL refused or failed a statement.',
  ERR_ADMIN: 'The admin listener of a running daemon does not answer, or refuses.',
  ERR_EMBEDDED_POSTGRES: 'The embedded PostgreSQL of the demo and the tests cannot be started.',
  ERR_NOT_PROVIDED: 'A machine was started without the actor that does its work.',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

const SETTINGS_CODES: ReadonlySet<ErrorCode> = new Set([
  'ERR_USAGE',
  'ERR_SETTINGS_FILE',
  'ERR_SETTINGS_INVALID',
]);

export interface EdgeProxyErrorOptions extends ErrorOptions {
  /** Key of the setting that the message is about, and that it begins with. */
  readonly setting?: string;
}

/** An expected failure: `code` is stable, `message` says what is wrong and what to do, `cause` is the origin. */
export class EdgeProxyError extends Error {
  override readonly name = 'EdgeProxyError';
  readonly code: ErrorCode;
  readonly #setting: string | undefined;

  constructor(code: ErrorCode, message: string, options: EdgeProxyErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.#setting = options.setting;
  }

  /** The same, with another name of the setting at the beginning of its message. @param nameOf called with its key */
  named(nameOf: (setting: string) => string): EdgeProxyError {
    const setting = this.#setting;
    if (setting === undefined || !this.message.startsWith(setting)) return this;
    const message = `${nameOf(setting)}${this.message.slice(setting.length)}`;
    return new EdgeProxyError(this.code, message, { cause: this.cause });
  }

  /** The exit code of the process that ends with this error: 2 for usage and settings, 1 for everything else. */
  get exitCode(): 1 | 2 {
    return SETTINGS_CODES.has(this.code) ? 2 : 1;
  }
}

/** The message of anything that was thrown, for a log line or an error text. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof AggregateError && thrown.message === '') {
    return thrown.errors.map(messageOf).join('; ');
  }
  return thrown instanceof Error ? thrown.message : String(thrown);
}
