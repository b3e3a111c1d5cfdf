/**
 * What one check of the rate limiter costs with 100,000 clients in a table that is made for them: the list of networks,
 * the hash, the lock, the bucket. What the clock costs stands beside it: data threads read it once a batch, the portable
 * engine for each client.
 *
 * Prints the median and the worst of some rounds, in nanoseconds of processor time. Fails when the median of a check is
 * 200 or more.
 */
import { systemNow } from '../../src/composition/system-clock.ts';
import { type RateLimitConfig, RateLimiter } from '../../src/proxy/rate-limiter.ts';
import { quantileOf, table } from './report.ts';

const CLIENTS = 100_000;
const CHECKS = 400_000;
const ROUNDS = 21;
const LIMIT_NS = 200;
const MAPPED = 0xffff;
const DOCUMENTATION = 0x2001_0db8;
/** In no order that a cache could follow. */
const ORDER = Int32Array.from(
  { length: CHECKS },
  (_, check) => (Math.imul(check, 0x9e37_79b1) >>> 0) % CLIENTS,
);

const NEVER_REFUSED = { maxRequests: 1_000_000, windowMs: 1_000, burstSize: 1_000_000 };
/** Nothing comes back while this runs. */
const ONCE = { maxRequests: 1, windowMs: 2_000_000_000, burstSize: 1 };
const NETWORKS = Array.from({ length: 50 }, (_, index) => `192.168.${2 * index}.0/24`);

interface Case {
  readonly name: string;
  readonly config: RateLimitConfig;
  readonly isIpv6?: boolean;
  /** Every client is a new one. */
  readonly isNew?: boolean;
}

const CASES: readonly Case[] = [
  { name: 'IPv4, admitted', config: NEVER_REFUSED },
  { name: 'IPv4, refused', config: ONCE },
  { name: 'IPv6, admitted', config: NEVER_REFUSED, isIpv6: true },
  { name: 'IPv4, 50 exempt networks', config: { ...NEVER_REFUSED, exempt: NETWORKS } },
  { name: 'IPv4, a stranger each time', config: NEVER_REFUSED, isNew: true },
];

/** Nanoseconds of processor time that each of so many calls takes. */
function costOf(calls: number, run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1_000) / calls;
}

/** A function that measures one round. */
function measured({ config, isIpv6 = false, isNew = false }: Case): () => number {
  let nowMs = systemNow();
  const limiter = new RateLimiter({ ...config, maxClients: CLIENTS, now: () => nowMs });
  const words = new Uint32Array(4);
  const admit = (client: number): void => {
    if (isIpv6) {
      words[0] = DOCUMENTATION;
      words[1] = client;
    } else {
      words[2] = MAPPED;
      words[3] = 0x0a00_0000 + client;
    }
    limiter.admit(words);
  };
  for (let client = 0; client < CLIENTS; client++) admit(client);
  let next = CLIENTS;
  return () => {
    nowMs = systemNow();
    return costOf(CHECKS, () => {
      for (let check = 0; check < CHECKS; check++) admit(isNew ? next++ : ORDER[check]!);
    });
  };
}

function clockRound(): number {
  let latest = 0;
  const cost = costOf(CHECKS, () => {
    for (let read = 0; read < CHECKS; read++) latest = systemNow();
  });
  if (latest === 0) throw new Error('the clock stands still');
  return cost;
}

const names = [...CASES.map(({ name }) => name), 'reading the clock'];
const rounds = [...CASES.map(measured), clockRound];
for (const round of rounds) round();
const samples = Array.from({ length: ROUNDS }, () => rounds.map((round) => round()));
const of = (index: number, quantile: number): number =>
  quantileOf(
    samples.map((round) => round[index]!),
    quantile,
  );

process.stdout.write(
  `${table([
    ['', 'ns, median', 'worst round'],
    ...names.map((name, index) => [name, of(index, 0.5).toFixed(0), of(index, 1).toFixed(0)]),
  ])}\n`,
);
const worst = Math.max(...CASES.map((_, index) => of(index, 0.5)));
if (worst >= LIMIT_NS) {
  process.stderr.write(`a check takes ${worst.toFixed(0)} ns, the limit is ${LIMIT_NS} ns\n`);
  process.exitCode = 1;
}
