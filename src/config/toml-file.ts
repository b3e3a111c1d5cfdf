import { parse, TomlError } from 'smol-toml';
import { EdgeProxyError, messageOf } from '../errors.ts';

/** A configuration file that has been read: its content and the name to show in messages. */
export interface SettingsFile {
  readonly path: string;
  readonly content: string;
}

/** Parses TOML; a syntax error is an `ERR_SETTINGS_FILE` that names file, line and column. */
export function parseToml({ path, content }: SettingsFile): Record<string, unknown> {
  try {
    return parse(content);
  } catch (error) {
    const place = error instanceof TomlError ? `${path}:${error.line}:${error.column}` : path;
    const [reason] = messageOf(error).replace('Invalid TOML document: ', '').split('\n');
    throw new EdgeProxyError('ERR_SETTINGS_FILE', `${place}: not TOML: ${reason}`, { cause: error });
  }
}

/**
 * The line where a key is set, counted from 1; `undefined` when it cannot be told.
 *
 * The parser keeps no positions, so this looks for the header of the table and the key in it. It serves messages:
 * inline tables and keys that span lines are found at the line of their nearest enclosing key.
 */
export function lineOfKey(content: string, path: readonly PropertyKey[]): number | undefined {
  const names = path.filter((part) => typeof part === 'string');
  const element = path.find((part) => typeof part === 'number') ?? 0;
  let table = '';
  let seen = -1;
  let best: { readonly line: number; readonly depth: number } | undefined;
  for (const [index, line] of content.split('\n').entries()) {
    const header = /^\s*\[(\[?)\s*([^\]]+?)\s*\]/.exec(line);
    if (header !== null) {
      table = unquote(header[2]!);
      if (header[1] === '[' && table === names[0]) seen++;
    }
    const key = /^\s*((?:"[^"]*"|'[^']*'|[\w\-.])+)\s*=/.exec(line)?.[1];
    const full =
      header === null ? [table, unquote(key ?? '')].filter((part) => part !== '').join('.') : table;
    const depth = names.findLastIndex((_, last) => names.slice(0, last + 1).join('.') === full);
    const isRightElement = seen < 0 || seen === element;
    if ((header !== null || key !== undefined) && isRightElement && depth > (best?.depth ?? -1)) {
      best = { line: index + 1, depth };
    }
  }
  return best?.line;
}

function unquote(key: string): string {
  return key.replaceAll(/["']/g, '').replaceAll(/\s*\.\s*/g, '.');
}
