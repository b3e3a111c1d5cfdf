// Compiles native/sys.c. When the package is installed, for this machine into native/build: without a compiler, or on
// another system, it says so and succeeds, and the daemon reaches the kernel another way. `--required` makes that an
// error. `--prebuilt` compiles what the published package brings, for every CPU that the engine knows.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import api from 'node-api-headers';

const here = dirname(fileURLToPath(import.meta.url));
const COMPILERS = { x64: 'x86_64-linux-gnu-gcc', arm64: 'aarch64-linux-gnu-gcc' };
const OPTIONS = ['-O2', '-Wall', '-Wextra', '-Werror', '-shared', '-fPIC', `-I${api.include_dir}`];

/** Returns why it has failed, or undefined. */
function compile(compiler, folder) {
  if (process.platform !== 'linux') return `it is for Linux, this is ${process.platform}`;
  const output = join(here, folder, 'sys.node');
  mkdirSync(dirname(output), { recursive: true });
  const run = spawnSync(compiler, [...OPTIONS, '-o', output, join(here, 'sys.c')], { encoding: 'utf8' });
  if (run.error) return `no C compiler (${compiler}: ${run.error.code}); install one such as gcc`;
  return run.status === 0 ? undefined : `${compiler} failed:\n${run.stderr}`;
}

const isPrebuilt = process.argv.includes('--prebuilt');
const failures = isPrebuilt
  ? Object.entries(COMPILERS).map(([cpu, compiler]) => compile(compiler, join('prebuilt', `linux-${cpu}`)))
  : [compile(process.env.CC ?? 'cc', 'build')];
for (const failure of failures.filter(Boolean)) {
  process.stderr.write(`edgeproxy: the native addon was not built: ${failure}\n`);
  if (isPrebuilt || process.argv.includes('--required')) process.exitCode = 1;
}
