import { constants } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { type FileHandle, link, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BEARER_TOKEN, BEARER_TOKEN_RULE } from '../../domain/bearer-token.ts';
import { EdgeProxyError, messageOf } from '../../errors.ts';

/** A listener whose token may be kept. */
export type TokenOwner = 'admin' | 'api' | 'metrics';

/** The token of a listener, and where it is kept. */
export interface KeptToken {
  readonly token: string;
  readonly path: string;
  /** It was made just now, because there was none. */
  readonly isNew: boolean;
}

const TOKEN_BYTES = 32;
const MAX_FILE_BYTES = 4_096;
const OTHERS = 0o077;

const isCode = (thrown: unknown, code: string): boolean =>
  thrown instanceof Error && 'code' in thrown && thrown.code === code;

/** The file of a token, as messages name it. */
interface TokenFile {
  readonly owner: TokenOwner;
  readonly path: string;
}

function unusable({ owner, path }: TokenFile, problem: string, cause?: unknown): EdgeProxyError {
  return new EdgeProxyError('ERR_STATE_DIR', `the ${owner} token in ${path} cannot be used: ${problem}`, {
    cause,
  });
}

/** Never follows a link, and does not wait for whoever may write into a FIFO; `undefined` when there is nothing. */
async function openToken(place: TokenFile): Promise<FileHandle | undefined> {
  try {
    return await open(place.path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (thrown) {
    if (isCode(thrown, 'ENOENT')) return undefined;
    throw unusable(place, isCode(thrown, 'ELOOP') ? 'it is a symbolic link' : messageOf(thrown), thrown);
  }
}

/** Reads what has been opened; throws why it is no token that only this user knows. */
async function readOpen(place: TokenFile, file: FileHandle): Promise<string> {
  const stats = await file.stat();
  if (!stats.isFile()) throw unusable(place, 'it is no regular file; remove it for a new one');
  const { mode, uid, size } = stats;
  const self = process.getuid?.();
  if (self !== undefined && uid !== self && uid !== 0) {
    throw unusable(place, `it belongs to the user ${uid}, who could replace it; give it to the user ${self}`);
  }
  if (self !== undefined && (mode & OTHERS) !== 0) {
    const shown = (mode & 0o777).toString(8).padStart(4, '0');
    throw unusable(
      place,
      `its mode is ${shown}, so others may have read it; remove it for a new one, or chmod 600`,
    );
  }
  if (size > MAX_FILE_BYTES) throw unusable(place, 'it is too large to be a token');
  const token = (await file.readFile('utf8')).trim();
  if (!BEARER_TOKEN.test(token)) {
    throw unusable(place, `expected ${BEARER_TOKEN_RULE}; remove it for a new one`);
  }
  return token;
}

/** Reads the token; `undefined` when there is no file. */
async function readToken(place: TokenFile): Promise<string | undefined> {
  const file = await openToken(place);
  if (file === undefined) return undefined;
  try {
    return await readOpen(place, file);
  } catch (thrown) {
    throw thrown instanceof EdgeProxyError ? thrown : unusable(place, messageOf(thrown), thrown);
  } finally {
    await file.close();
  }
}

/** Writes a token beside its place, and moves it there unless a file has come there meanwhile. */
async function writeToken(path: string, token: string): Promise<boolean> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    try {
      await file.writeFile(`${token}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await link(temporary, path);
    return true;
  } catch (thrown) {
    if (isCode(thrown, 'EEXIST')) return false;
    throw thrown;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Where the token of a listener is kept in a state folder. */
export const keptTokenPath = (folder: string, owner: TokenOwner): string => join(folder, `${owner}-token`);

/**
 * The token of a listener, made at the first start and kept in the state folder for this user alone.
 *
 * Rejects with `ERR_STATE_DIR` when the file is readable by others, belongs to another user, is damaged, or cannot be
 * written. Several daemons that start at one time end up with one token. Log the path, never the token.
 */
export async function loadKeptToken(folder: string, owner: TokenOwner): Promise<KeptToken> {
  const path = keptTokenPath(folder, owner);
  const known = await readToken({ owner, path });
  if (known !== undefined) return { token: known, path, isNew: false };
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (await writeToken(path, token)) return { token, path, isNew: true };
  } catch (thrown) {
    const reason = messageOf(thrown);
    throw new EdgeProxyError('ERR_STATE_DIR', `the ${owner} token cannot be kept in ${path}: ${reason}`, {
      cause: thrown,
    });
  }
  return loadKeptToken(folder, owner);
}
