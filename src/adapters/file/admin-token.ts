import { constants } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { type FileHandle, link, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { BEARER_TOKEN, BEARER_TOKEN_RULE } from '../../domain/bearer-token.ts';
import { EdgeProxyError, messageOf } from '../../errors.ts';

/** The token of the admin listener, and where it is kept. */
export interface AdminToken {
  readonly token: string;
  readonly path: string;
  /** It was made just now, because there was none. */
  readonly isNew: boolean;
}

const FILE_NAME = 'admin-token';
const TOKEN_BYTES = 32;
const MAX_FILE_BYTES = 4_096;
const OTHERS = 0o077;

const isCode = (thrown: unknown, code: string): boolean =>
  thrown instanceof Error && 'code' in thrown && thrown.code === code;

function unusable(path: string, problem: string, cause?: unknown): EdgeProxyError {
  return new EdgeProxyError('ERR_STATE_DIR', `the admin token in ${path} cannot be used: ${problem}`, {
    cause,
  });
}

/** Never follows a link, and does not wait for whoever may write into a FIFO; `undefined` when there is nothing. */
async function openToken(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (thrown) {
    if (isCode(thrown, 'ENOENT')) return undefined;
    throw unusable(path, isCode(thrown, 'ELOOP') ? 'it is a symbolic link' : messageOf(thrown), thrown);
  }
}

/** Reads what has been opened; throws why it is no token that only this user knows. */
async function readOpen(path: string, file: FileHandle): Promise<string> {
  const stats = await file.stat();
  if (!stats.isFile()) throw unusable(path, 'it is no regular file; remove it for a new one');
  const { mode, uid, size } = stats;
  const self = process.getuid?.();
  if (self !== undefined && uid !== self && uid !== 0) {
    throw unusable(path, `it belongs to the user ${uid}, who could replace it; give it to the user ${self}`);
  }
  if (self !== undefined && (mode & OTHERS) !== 0) {
    const shown = (mode & 0o777).toString(8).padStart(4, '0');
    throw unusable(
      path,
      `its mode is ${shown}, so others may have read it; remove it for a new one, or chmod 600`,
    );
  }
  if (size > MAX_FILE_BYTES) throw unusable(path, 'it is too large to be a token');
  const token = (await file.readFile('utf8')).trim();
  if (!BEARER_TOKEN.test(token)) {
    throw unusable(path, `expected ${BEARER_TOKEN_RULE}; remove it for a new one`);
  }
  return token;
}

/** Reads the token; `undefined` when there is no file. */
async function readToken(path: string): Promise<string | undefined> {
  const file = await openToken(path);
  if (file === undefined) return undefined;
  try {
    return await readOpen(path, file);
  } catch (thrown) {
    throw thrown instanceof EdgeProxyError ? thrown : unusable(path, messageOf(thrown), thrown);
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

/** Where the token of a state folder is kept. */
export const adminTokenPath = (folder: string): string => join(folder, FILE_NAME);

/**
 * The token of the admin listener, made at the first start and kept in the state folder for this user alone.
 *
 * Rejects with `ERR_STATE_DIR` when the file is readable by others, belongs to another user, is damaged, or cannot be
 * written. Several daemons that start at one time end up with one token. Log the path, never the token.
 */
export async function loadAdminToken(folder: string): Promise<AdminToken> {
  const path = adminTokenPath(folder);
  const known = await readToken(path);
  if (known !== undefined) return { token: known, path, isNew: false };
  const token = randomBytes(TOKEN_BYTES).toString('base64url');
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if (await writeToken(path, token)) return { token, path, isNew: true };
  } catch (thrown) {
    throw new EdgeProxyError(
      'ERR_STATE_DIR',
      `the admin token cannot be kept in ${path}: ${messageOf(thrown)}`,
      {
        cause: thrown,
      },
    );
  }
  return loadAdminToken(folder);
}
