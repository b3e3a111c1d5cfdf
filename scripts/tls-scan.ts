import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/*
 * What a TLS listener speaks, as `openssl s_client` finds it: protocols, cipher suites, renegotiation, resumption.
 *
 *     node scripts/tls-scan.ts 127.0.0.1:8443 edge.example
 *
 * Prints a line for each finding, and ends with 1 when one of them is weak.
 */

const OPTION_OF = {
  TLSv1: '-tls1',
  'TLSv1.1': '-tls1_1',
  'TLSv1.2': '-tls1_2',
  'TLSv1.3': '-tls1_3',
} as const;

type Protocol = keyof typeof OPTION_OF;

const PROTOCOLS = Object.keys(OPTION_OF) as Protocol[];
const OLD: ReadonlySet<Protocol> = new Set(['TLSv1', 'TLSv1.1']);
/** Everything that this OpenSSL has, weak or not. */
const ALL_OLDER = 'ALL:COMPLEMENTOFALL@SECLEVEL=0';
const ALL_1_3 = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_CCM_SHA256',
  'TLS_AES_128_CCM_8_SHA256',
];
/** With authentication, forward secrecy and an AEAD. */
const GOOD = /^(?:TLS_AES_(?:128|256)_GCM|TLS_CHACHA20|(?:ECDHE|DHE)-(?:ECDSA|RSA)-(?:AES\d+-GCM|CHACHA20))/;
const PATIENCE_MS = 5_000;
const RECHECK_MS = 10;

const [address, serverName = 'localhost'] = process.argv.slice(2);
if (address === undefined) {
  process.stderr.write('usage: node scripts/tls-scan.ts HOST:PORT [SERVER_NAME]\n');
  process.exit(2);
}

const folder = await mkdtemp(join(tmpdir(), 'edgeproxy-tls-scan-'));
try {
  const findings = [
    ...(await protocols()),
    await renegotiation(),
    await resumption('TLSv1.2'),
    await resumption('TLSv1.3'),
  ];
  for (const { what, isWeak } of findings) process.stdout.write(`${what}${isWeak ? ' (weak)' : ''}\n`);
  process.exitCode = findings.some(({ isWeak }) => isWeak) ? 1 : 0;
} finally {
  await rm(folder, { recursive: true, force: true });
}

interface Finding {
  readonly what: string;
  readonly isWeak: boolean;
}

async function protocols(): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const protocol of PROTOCOLS) {
    // oxlint-disable-next-line no-await-in-loop -- one connection at a time
    const suites = await suitesOf(protocol);
    const isSpoken = suites.length > 0;
    findings.push(
      {
        what: `protocol ${protocol}: ${isSpoken ? 'spoken' : 'refused'}`,
        isWeak: isSpoken && OLD.has(protocol),
      },
      ...suites.map((suite) => ({ what: `cipher ${protocol}: ${suite}`, isWeak: !GOOD.test(suite) })),
    );
  }
  return findings;
}

/** Those that are accepted: each is left away once it has been chosen, until none is. */
async function suitesOf(protocol: Protocol): Promise<readonly string[]> {
  const found: string[] = [];
  for (;;) {
    const left =
      protocol === 'TLSv1.3'
        ? ['-ciphersuites', ALL_1_3.filter((suite) => !found.includes(suite)).join(':')]
        : ['-cipher', [ALL_OLDER, ...found.map((suite) => `!${suite}`)].join(':')];
    if (left[1] === '') return found;
    // oxlint-disable-next-line no-await-in-loop -- each goes by what those before it have found
    const { output } = await sClient([OPTION_OF[protocol], ...left]);
    const suite = /^New, \S+, Cipher is (?!\(NONE\))(\S+)$/m.exec(output)?.[1];
    if (suite === undefined || found.includes(suite)) return found;
    found.push(suite);
  }
}

async function renegotiation(): Promise<Finding> {
  const { output } = await sClient(['-tls1_2'], async ({ isConnected, write, isOver }) => {
    if (await until(isConnected)) write('R\n');
    await until(isOver);
  });
  const isRefused = /no renegotiation/i.test(output);
  return { what: `renegotiation: ${isRefused ? 'refused' : 'not refused'}`, isWeak: !isRefused };
}

async function resumption(protocol: 'TLSv1.2' | 'TLSv1.3'): Promise<Finding> {
  const file = join(folder, protocol);
  const option = OPTION_OF[protocol];
  await sClient([option, '-sess_out', file], async ({ isConnected }) => {
    await until(() => isConnected() && existsSync(file));
  });
  const { output } = await sClient([option, '-sess_in', file]);
  return { what: `resumption ${protocol}: ${/^Reused, /m.test(output) ? 'yes' : 'no'}`, isWeak: false };
}

interface Client {
  readonly isConnected: () => boolean;
  readonly isOver: () => boolean;
  readonly write: (text: string) => void;
}

/** Runs `openssl s_client`, and has something done with it before its input ends. */
async function sClient(args: readonly string[], use: (client: Client) => Promise<void> = async () => {}) {
  const child = spawn('openssl', ['s_client', '-connect', address!, '-servername', serverName, ...args]);
  let output = '';
  let isOver = false;
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stdin.on('error', () => {});
  const closed = once(child, 'close').then(() => (isOver = true));
  await use({
    isConnected: () => output.includes('Verify return code') || isOver,
    isOver: () => isOver,
    write: (text) => child.stdin.write(text),
  });
  child.stdin.end();
  await closed;
  return { output };
}

/** False when it does not come true in time. */
async function until(isTrue: () => boolean): Promise<boolean> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!isTrue()) {
    if (performance.now() > deadline) return false;
    // oxlint-disable-next-line no-await-in-loop -- it is looked at again and again
    await delay(RECHECK_MS);
  }
  return true;
}
