#!/usr/bin/env node
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { check } from './commands/check.ts';
import { demo } from './commands/demo.ts';
import { inspect } from './commands/inspect.ts';
import { machines } from './commands/machines.ts';
import { plan } from './commands/plan.ts';
import { run } from './commands/run.ts';
import { sql } from './commands/sql.ts';
import { EdgeProxyError, messageOf } from './errors.ts';
import { packageVersion } from './commands/version.ts';

const USAGE = `edgeproxy: a TCP proxy for the edge, controlled by SQL

Usage: edgeproxy COMMAND [OPTIONS]

Commands
  run [--config FILE]              run the daemon until SIGTERM or SIGINT
  check [--config FILE] [--schema] validate the settings and print them with their origins, or the JSON Schema
  plan [--config FILE] [--sql STATEMENT]
                                   what FILE, or STATEMENT, would change in the running daemon; changes nothing
  sql [--config FILE] STATEMENT    run SQL in the database of the settings
  machines [NAME] [--format FORMAT] print a statechart as json, mermaid or svg; without NAME list them
  inspect [--config FILE]          print where the daemon shows its live statecharts
  demo                             a database, three backends and the daemon, to try things on

  --help, --version

Settings come from the environment (EDGEPROXY_…), over the file, over SQL, over the defaults; \`edgeproxy check\` lists them.
`;

/** Characters of a value that leave room for where it comes from. */
const LONGEST_IN_TERMINAL = 48;

const CONFIG = { config: { type: 'string' } } as const;

function parse<const T extends ParseArgsOptionsConfig>(args: string[], options: T, allowPositionals = false) {
  try {
    return parseArgs({ args, options, allowPositionals, strict: true });
  } catch (error) {
    throw new EdgeProxyError('ERR_USAGE', `${messageOf(error)} (edgeproxy --help lists what is known)`);
  }
}

/** Runs a command; resolves with the exit code. */
async function main(command: string | undefined, args: string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) return print(USAGE.trimEnd());
  switch (command) {
    case 'run':
      return run(parse(args, CONFIG).values.config, process.env);
    case 'check': {
      const { config, schema = false } = parse(args, { ...CONFIG, schema: { type: 'boolean' } }).values;
      const longest = process.stdout.isTTY ? LONGEST_IN_TERMINAL : undefined;
      return print(await check({ config, schema, longest }, process.env));
    }
    case 'plan': {
      const { config, sql: statement } = parse(args, { ...CONFIG, sql: { type: 'string' } }).values;
      if (config === undefined && statement === undefined) {
        throw new EdgeProxyError('ERR_USAGE', 'plan takes --config FILE, or --sql "STATEMENT", or both');
      }
      return print(await plan({ config, statement }, process.env));
    }
    case 'sql': {
      const { values, positionals } = parse(args, CONFIG, true);
      const [statement, ...rest] = positionals;
      if (statement === undefined || statement.trim() === '' || rest.length > 0) {
        throw new EdgeProxyError('ERR_USAGE', 'sql takes one statement: edgeproxy sql "SELECT …"');
      }
      return print(await sql({ config: values.config, statement }, process.env));
    }
    case 'machines': {
      const { values, positionals } = parse(args, { format: { type: 'string' } }, true);
      const [name, ...rest] = positionals;
      if (rest.length > 0) throw new EdgeProxyError('ERR_USAGE', 'machines takes one name at most');
      return print(await machines({ name, format: values.format }));
    }
    case 'inspect':
      return print(await inspect(parse(args, CONFIG).values.config, process.env));
    case 'demo':
      parse(args, {});
      return demo(process.env);
    case '--version':
      return print(packageVersion());
    case '--help':
    case '-h':
      return print(USAGE.trimEnd());
    default:
      throw new EdgeProxyError(
        'ERR_USAGE',
        `${command === undefined ? 'no command given' : `no command ${command}`} (edgeproxy --help lists them)`,
      );
  }
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

try {
  process.exitCode = await main(process.argv[2], process.argv.slice(3));
} catch (error) {
  if (!(error instanceof EdgeProxyError)) throw error;
  for (const line of error.message.trimEnd().split('\n')) process.stderr.write(`edgeproxy: ${line}\n`);
  process.exitCode = error.exitCode;
}
