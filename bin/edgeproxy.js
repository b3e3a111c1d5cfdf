#!/usr/bin/env node
// Plain JavaScript on purpose: an older Node must get as far as the message below.
import { existsSync } from 'node:fs';

const MINIMUM = [24, 12];
const [major, minor] = process.versions.node.split('.').map(Number);

if (major < MINIMUM[0] || (major === MINIMUM[0] && minor < MINIMUM[1])) {
  process.stderr.write(
    `edgeproxy: needs Node ${MINIMUM.join('.')} or newer, this is ${process.version}. ` +
      'In a clone, `npm run edgeproxy -- …` uses the Node that the project pins.\n',
  );
  process.exitCode = 1;
} else {
  const built = new URL('../dist/cli.js', import.meta.url);
  await import(existsSync(built) ? built.href : new URL('../src/cli.ts', import.meta.url).href);
}
