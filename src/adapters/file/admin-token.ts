import { constants } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
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

/** RFC 6750, section 2.1, and long enough not to be guessed. */
const TOKEN = /^[\w.~+/-]{20,}=*$/;

const isCode = (thrown: unknown, code: string): boolean =>
  thrown instanceof Error && 'code' in thrown && thrown.code === code;

function unusable(path: string, problem: string, cause?: unknown): EdgeProxyError {
  return new EdgeProxyError('ERR_STATE_DIR', `the admin token in ${path} cannot be used: ${problem}`, {
    cause,
  });
}

/** Reads the token; `undefined` when there is no file. Never follows a link, and looks at what it has opened. */
async function readToken(path: string): Promise<string | undefined> {
  let file;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (thrown) {
    if (isCode(thrown, 'ENOENT')) return undefined;
    throw unusable(path, isCode(thrown, 'ELOOP') ? 'it is a symbolic link' : messageOf(thrown), thrown);
  }
  try {
    const { mode, uid, size } = await file.stat();
    const self = process.getuid?.();
    if (self !== undefined && uid !== self && uid !== 0) {
      throw unusable(
        path,
        `it belongs to the user ${uid}, who could replace it; give it to the user ${self}`,
      );
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
    if (!TOKEN.test(token)) {
      throw unusable(
        path,
        'expected at least 20 letters, digits or -._~+/ in one line; remove it for a new one',
      );
    }
    return token;
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

/**
 * The token of the admin listener, made at the first start and kept in the state folder for this user alone.
 *
 * Rejects with `ERR_STATE_DIR` when the file is readable by others, belongs to another user, is damaged, or cannot be
 * written. Several daemons that start at one time end up with one token. Log the path, never the token.
 */
export async function loadAdminToken(folder: string): Promise<AdminToken> {
  const path = join(folder, FILE_NAME);
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
