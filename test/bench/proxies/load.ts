import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Child, startChild } from './children.ts';
import type { ServerKey, TrafficScenario } from './scenarios.ts';

const SOURCES = fileURLToPath(new URL('../load', import.meta.url));
const ORIGIN_PORTS = 3;

/** The load generator as programs in a folder. */
export interface Load {
  startOrigin(cpus: readonly number[]): Promise<Origin>;
  /** Resolves when the warm-up is over and nothing is under way. */
  startClient(order: ClientOrder, cpus: readonly number[]): Promise<Client>;
}

export interface Origin {
  readonly pid: number;
  readonly ports: readonly number[];
  end(): Promise<void>;
}

export interface ClientOrder {
  readonly mode: TrafficScenario['mode'] | 'idle' | 'await';
  /** That of the certificate to expect; absent: no TLS. */
  readonly serverKey?: ServerKey | undefined;
  readonly port: number;
  readonly streams: number;
  readonly warmUp: number;
  readonly measured: number;
}

export interface Client {
  readonly pid: number;
  /** Does the measured part; its connections stay. */
  measure(): Promise<Measured>;
  finish(): Promise<void>;
  end(): Promise<void>;
}

export interface Measured {
  readonly completed: number;
  readonly seconds: number;
}

/** Compiles the load generator into the folder. */
export async function compileLoad(folder: string): Promise<Load> {
  const compile = async (
    name: string,
    parts: readonly string[],
    libraries: readonly string[] = [],
  ): Promise<string> => {
    const program = join(folder, name);
    const files = [name, ...parts].map((file) => join(SOURCES, `${file}.c`));
    const linked = libraries.map((library) => `-l${library}`);
    await promisify(execFile)('cc', ['-O2', '-Wall', '-Wextra', '-o', program, ...files, ...linked]);
    return program;
  };
  const [origin, client] = await Promise.all([
    compile('origin', ['wire']),
    compile('client', ['secure', 'wire'], ['ssl', 'crypto']),
  ]);
  return {
    async startOrigin(cpus) {
      const child = startChild([origin, String(ORIGIN_PORTS)], { cpus, showsErrors: true });
      const ports = (await child.line()).split(' ').map(Number);
      return { pid: child.pid, ports, end: () => child.end() };
    },
    async startClient({ mode, serverKey, port, streams, warmUp, measured }, cpus) {
      const numbers = [port, streams, warmUp, measured].map(String);
      const tls = serverKey === undefined ? [] : [serverKey];
      const child = startChild([client, mode, ...numbers, ...tls], { cpus });
      await child.line();
      return {
        pid: child.pid,
        measure: () => measure(child),
        finish: () => child.finish(),
        end: () => child.end(),
      };
    },
  };
}

async function measure(child: Child): Promise<Measured> {
  child.write('go\n');
  return JSON.parse(await child.line()) as Measured;
}
