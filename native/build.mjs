// Compiles native/sys.c into native/build/sys.node when the package is installed. Without a compiler, or on another
// system, it says so and succeeds: the daemon then reaches the kernel by node:ffi or relays by node:net.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import api from 'node-api-headers';

const here = dirname(fileURLToPath(import.meta.url));
const isPrebuilt = process.argv.includes('--prebuilt');
const folder = isPrebuilt ? join('prebuilt', `linux-${process.arch}`) : 'build';
const output = join(here, folder, 'sys.node');
const compiler = process.env.CC ?? 'cc';
const isRequired = isPrebuilt || process.argv.includes('--required');

function skip(reason) {
  process.stderr.write(`edgeproxy: the native addon was not built: ${reason}\n`);
  process.exit(isRequired ? 1 : 0);
}

if (process.platform !== 'linux') skip(`it is for Linux, this is ${process.platform}`);
mkdirSync(dirname(output), { recursive: true });
const options = ['-O2', '-Wall', '-Wextra', '-shared', '-fPIC', `-I${api.include_dir}`, '-o', output];
const { error, status, stderr } = spawnSync(compiler, [...options, join(here, 'sys.c')], {
  encoding: 'utf8',
});
if (error)
  skip(`no C compiler (${compiler}: ${error.code}); install one such as gcc and run npm run build:native`);
if (status !== 0) skip(`${compiler} failed:\n${stderr}`);
