import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import type { Observable } from 'rxjs';
import { EdgeProxyError, messageOf } from '../../errors.ts';
import { type LooksOptions, looks$ } from './looks.ts';

/** What a file has come to. `isAsked`: somebody asked for this look, so it may tell nothing new. */
export type FileLook =
  | { readonly type: 'CONTENT'; readonly content: string; readonly isAsked: boolean }
  /** It is gone or cannot be read: `ERR_SETTINGS_FILE`. */
  | { readonly type: 'UNREADABLE'; readonly error: EdgeProxyError; readonly isAsked: boolean };

export interface FileLooksOptions extends Pick<
  LooksOptions<FileLook>,
  'asked$' | 'watch$' | 'now' | 'patience'
> {
  readonly path: string;
  /** The content that is in use already; only another one is told. */
  readonly initial: string | undefined;
  /** Whether content may be what its writer wants. What cannot be is told only when it stays. */
  readonly isWhole: (content: string) => boolean;
}

/** The content of a file, once for every change of it; see `looks$`. */
export function fileLooks$(options: FileLooksOptions): Observable<FileLook> {
  const { path, initial, isWhole, ...others } = options;
  return looks$<FileLook>({
    ...others,
    paths: [path],
    initial: initial === undefined ? undefined : stateOf(initial),
    async look(isAsked) {
      const seen = await read(path, isAsked);
      return seen.type === 'CONTENT'
        ? { seen, state: stateOf(seen.content), isWhole: isWhole(seen.content) }
        : { seen, state: `unreadable: ${seen.error.message}`, isWhole: false };
    },
  });
}

/** Content as what tells it from other content. */
function stateOf(content: string): string {
  return createHash('sha256').update(content).digest('hex');
}

async function read(path: string, isAsked: boolean): Promise<FileLook> {
  try {
    // Who reads a pipe takes its content away, or waits for some.
    if (!(await stat(path)).isFile()) throw new Error('it is no regular file, so it can be read only once');
    return { type: 'CONTENT', content: await readFile(path, 'utf8'), isAsked };
  } catch (thrown) {
    const error = new EdgeProxyError('ERR_SETTINGS_FILE', `${path}: cannot be read: ${messageOf(thrown)}`, {
      cause: thrown,
    });
    return { type: 'UNREADABLE', error, isAsked };
  }
}
