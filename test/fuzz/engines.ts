/**
 * Random peers against a running engine, round after round: slow readers, resets at any moment, half-closes, floods,
 * backends that refuse, leave at once, reset, vanish or fail, sets and settings that change, a listener that
 * moves and backends that are cut meanwhile.
 *
 * What must hold: no wrong byte, no FIN that nobody sent, nothing stuck, no thread dead, no hard limit exceeded, all
 * counters 0 and every descriptor closed at the end. A round is drawn from its seed; the kernel's timing is not, so
 * that a finding may need the same seed more than once. `npm run fuzz -- --help` lists the options.
 */
import { parseArgs } from 'node:util';
import { messageOf } from '../../src/errors.ts';
import { addonEngine, type EngineKind, ffiEngine, netEngine, streamsEngine } from '../support/engines.ts';
import { runRound } from './round.ts';

const ENGINES: Readonly<Record<string, EngineKind>> = {
  net: netEngine,
  streams: streamsEngine,
  epoll: addonEngine,
  ffi: ffiEngine,
};
const MOST_MINUTES = 30;
const ROUND_MS = 8_000;

const USAGE = `npm run fuzz -- [OPTIONS]

  --engine NAME   ${Object.keys(ENGINES).join(', ')}; default: each in turn
  --minutes N     default 2, at most ${MOST_MINUTES}
  --clients N     at a time; default 80
  --seed N        of the first round; default: any
  --help
`;

interface Options {
  readonly kinds: readonly EngineKind[];
  readonly minutes: number;
  readonly clients: number;
  readonly seed: number;
}

function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      engine: { type: 'string' },
      minutes: { type: 'string', default: '2' },
      clients: { type: 'string', default: '80' },
      seed: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const kind = values.engine === undefined ? undefined : ENGINES[values.engine];
  if (values.engine !== undefined && kind === undefined)
    throw new Error(`--engine: expected one of ${Object.keys(ENGINES).join(', ')}, not ${values.engine}`);
  const minutes = Number(values.minutes);
  if (!(minutes > 0 && minutes <= MOST_MINUTES))
    throw new Error(`--minutes: expected at most ${MOST_MINUTES}, not ${values.minutes}`);
  const clients = Number(values.clients);
  if (!Number.isInteger(clients) || clients < 1)
    throw new Error(`--clients: expected a number, not ${values.clients}`);
  const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
  if (!Number.isInteger(seed)) throw new Error(`--seed: expected a number, not ${values.seed}`);
  return { kinds: kind === undefined ? Object.values(ENGINES) : [kind], minutes, clients, seed };
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function fuzz({ kinds, minutes, clients, seed }: Options): Promise<void> {
  const endMs = performance.now() + minutes * 60_000;
  const sum = { rounds: 0, connections: 0, bytes: 0 };
  while (performance.now() < endMs) {
    const kind = kinds[sum.rounds % kinds.length]!;
    const roundSeed = seed + sum.rounds;
    const durationMs = Math.min(ROUND_MS, Math.max(1_000, endMs - performance.now()));
    const round = await runRound({ kind, seed: roundSeed, durationMs, clients });
    sum.rounds++;
    sum.connections += round.connections;
    sum.bytes += round.bytes;
    const figures = `${round.connections} connections, ${(round.bytes / 1e6).toFixed(0)} MB`;
    print(`${kind.name}, seed ${roundSeed}, ${round.settings}: ${figures}`);
    if (round.findings.length === 0) continue;
    for (const finding of round.findings) print(`  ${finding}`);
    throw new Error(`found with --seed ${roundSeed}, ${kind.name}`);
  }
  print(
    `${sum.rounds} rounds, ${sum.connections} connections, ${(sum.bytes / 1e9).toFixed(2)} GB: nothing found, first seed ${seed}`,
  );
}

try {
  const options = readOptions();
  if (options === undefined) process.stdout.write(USAGE);
  else await fuzz(options);
} catch (error) {
  process.stderr.write(`fuzz: ${messageOf(error)}\n`);
  process.exitCode = 1;
}
