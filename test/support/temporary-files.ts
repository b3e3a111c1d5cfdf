import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';

export interface TemporaryFiles {
  /** The folder; known once the tests run. */
  folder(): string;
  /** Writes a new file and resolves with its path. */
  write(content: Uint8Array | string): Promise<string>;
}

/** A folder for the tests of one file, removed after the last of them. */
export function temporaryFiles(): TemporaryFiles {
  let folder = '';
  let written = 0;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'edgeproxy-test-'));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });
  return {
    folder: () => folder,
    async write(content) {
      written += 1;
      const path = join(folder, `file-${written}`);
      await writeFile(path, content);
      return path;
    },
  };
}
