import { appendFile, mkdir, open, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Gives a file another content, each in the manner of some tool. Resolves when the new content is in place. */
export type Replacement = (path: string, content: string) => Promise<void>;

let links = 0;

/** The ways in which files are replaced that a path names directly. */
export const REPLACEMENTS: Readonly<Record<string, Replacement>> = {
  'written in place': (path, content) => writeFile(path, content),
  'written in place in pieces': async (path, content) => {
    const file = await open(path, 'w');
    try {
      const middle = Math.floor(content.length / 2);
      await file.write(content.slice(0, middle));
      await file.sync();
      await file.write(content.slice(middle));
    } finally {
      await file.close();
    }
  },
  'renamed over': async (path, content) => {
    await writeFile(`${path}.new`, content);
    await rename(`${path}.new`, path);
  },
  'renamed over, as an editor with a backup does it': async (path, content) => {
    await rename(path, `${path}~`);
    await writeFile(path, content);
    await rm(`${path}~`);
  },
  'removed and made again': async (path, content) => {
    await rm(path);
    await writeFile(path, content);
  },
  'removed and made again with its folder': async (path, content) => {
    await rm(dirname(path), { recursive: true });
    await mkdir(dirname(path));
    await writeFile(path, content);
  },
  'made by appending to an empty file': async (path, content) => {
    await writeFile(path, '');
    for (const line of content.split(/(?<=\n)/)) {
      // oxlint-disable-next-line no-await-in-loop -- in their order
      await appendFile(path, line);
    }
  },
};

/** Points a link elsewhere as one rename, so that it always leads somewhere. */
async function swapLink(link: string, target: string): Promise<void> {
  const temporary = `${link}.${links++}`;
  await symlink(target, temporary);
  await rename(temporary, link);
}

/** A volume as the kubelet writes it: the file is a link into `..data`, and `..data` is a link to a dated folder. */
export async function makeConfigMap(path: string, content: string): Promise<void> {
  await publishConfigMap(path, content);
  await symlink(join('..data', basename(path)), path);
}

/** A new version of a ConfigMap: another dated folder, `..data` swapped, the old folder removed. */
export const publishConfigMap: Replacement = async (path, content) => {
  const volume = dirname(path);
  const folder = `..2026_11_26_${links++}`;
  await mkdir(join(volume, folder));
  await writeFile(join(volume, folder, basename(path)), content);
  const before = published.get(volume);
  await swapLink(join(volume, '..data'), folder);
  published.set(volume, folder);
  if (before !== undefined) await rm(join(volume, before), { recursive: true });
};

const published = new Map<string, string>();

/** A release as deployment tools swap it: the folder of the file is a link, and the link is swapped. */
export async function makeRelease(path: string, content: string): Promise<void> {
  await publishRelease(path, content);
}

export const publishRelease: Replacement = async (path, content) => {
  const current = dirname(path);
  const release = `${current}-${links++}`;
  await mkdir(release);
  await writeFile(join(release, basename(path)), content);
  await swapLink(current, release);
};

/** Another time of modification, and nothing else. */
export async function touch(path: string): Promise<void> {
  const time = new Date(Date.now() + 5_000);
  await utimes(path, time, time);
}
