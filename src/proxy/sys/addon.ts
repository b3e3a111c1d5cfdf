import { createRequire } from 'node:module';
import { type Sys, SYS_CALLS } from './sys.ts';

/** The system calls of `native/sys.c`, compiled when the package is installed; throws when the file does not load. */
export function loadAddon(path: string): Sys {
  const exports: unknown = createRequire(import.meta.url)(path);
  if (!isSys(exports)) throw new Error(`${path} is another version: run "npm run build:native"`);
  return exports;
}

function isSys(value: unknown): value is Sys {
  return typeof value === 'object' && value !== null && SYS_CALLS.every((name) => name in value);
}
