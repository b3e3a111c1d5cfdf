import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Child, startChild } from './children.ts';
import {
  edgeproxyConfiguration,
  haproxyConfiguration,
  nginxConfiguration,
  type Wiring,
} from './configurations.ts';
import { type Contestant, environmentOf, type ProxySetup } from './contestants.ts';

const CLI = fileURLToPath(new URL('../../../src/cli.ts', import.meta.url));
const SCRAPE_EVERY_MS = 1_000;

/** A contestant ready to run: its configuration is written. */
export interface PreparedProxy {
  start(cpus: readonly number[]): Child;
  /** Begins to read its metrics as a Prometheus does, where it has some; returns how to end that. */
  scrape(): () => void;
}

export async function prepareProxy(contestant: Contestant, wiring: Wiring): Promise<PreparedProxy> {
  const { proxy } = contestant;
  const file = join(wiring.folder, `${proxy.kind}.conf`);
  const { configuration, command } = launchOf(proxy, wiring, file);
  await writeFile(file, configuration);
  const env = environmentOf(contestant, wiring.threads);
  const hasMetrics = proxy.kind === 'edgeproxy' && proxy.features === 'on';
  return {
    start: (cpus) => startChild(command, { cpus, env }),
    scrape: () => (hasMetrics ? scrapeRegularly(wiring.metricsPort) : () => {}),
  };
}

interface Launch {
  readonly configuration: string;
  readonly command: readonly string[];
}

/** As an operator would start it, without a supervisor in between. */
function launchOf(proxy: ProxySetup, wiring: Wiring, file: string): Launch {
  switch (proxy.kind) {
    case 'haproxy':
      return { configuration: haproxyConfiguration(wiring, proxy), command: ['haproxy', '-db', '-f', file] };
    case 'nginx':
      return {
        configuration: nginxConfiguration(wiring, proxy),
        command: ['nginx', '-p', wiring.folder, '-e', 'stderr', '-c', file],
      };
    case 'edgeproxy':
      return {
        configuration: edgeproxyConfiguration(wiring, proxy.features),
        command: [process.execPath, CLI, 'run', '--config', file],
      };
    default:
      return proxy satisfies never;
  }
}

function scrapeRegularly(port: number): () => void {
  const timer = setInterval(() => {
    // One that fails while the proxy ends is of no interest; a proxy that is broken fails its clients.
    void fetch(`http://127.0.0.1:${port}/metrics`).then(
      (answer) => answer.text(),
      () => {},
    );
  }, SCRAPE_EVERY_MS);
  return () => clearInterval(timer);
}
