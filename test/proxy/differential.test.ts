import { readdirSync } from 'node:fs';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { aBackend } from '../support/backends.ts';
import { addonEngine, ENGINES, netEngine, type RunningEngine, streamsEngine } from '../support/engines.ts';
import { seenBy, wrongsOf } from '../support/script-judge.ts';
import { type Ends, playScript, type ScriptBackend, startScriptBackend } from '../support/script-run.ts';
import { type Script, scripts } from '../support/scripts.ts';
import { until } from '../support/until.ts';

/** More of them: `SCRIPTS=2000 npm test -- test/proxy/differential.test.ts`; those of a failure again: `SEED`, `SCRIPT_PATH`. */
const { SCRIPTS = '120', SEED, SCRIPT_PATH, SHRINK } = process.env;
const PARAMETERS: fc.Parameters<[Script]> = {
  numRuns: Number(SCRIPTS),
  // A script that hangs takes its time to be found so: it is made smaller on demand.
  endOnFailure: SHRINK === undefined,
  ...(SEED === undefined ? {} : { seed: Number(SEED) }),
  ...(SCRIPT_PATH === undefined ? {} : { path: SCRIPT_PATH }),
};
const TIMEOUT_MS = 60_000 + 500 * Number(SCRIPTS);

interface Contestant {
  readonly name: string;
  readonly backend: ScriptBackend;
  /** The one that the backend sees. */
  readonly running: RunningEngine;
  /** The one that clients see, where another one is in front: it announces them by PROXY headers. */
  readonly front?: RunningEngine;
}

/** Directly at its backend: what every engine is compared with. */
let direct: ScriptBackend;
const contestants: Contestant[] = [];
let before = 0;
const descriptors = (): number => readdirSync('/proc/self/fd').length;

beforeAll(async () => {
  direct = await startScriptBackend();
  before = descriptors();
  for (const { name, start } of ENGINES) {
    const backend = await startScriptBackend();
    contestants.push({ name, backend, running: await start([aBackend({ port: backend.port })]) });
  }
  for (const { name, start } of [netEngine, streamsEngine, addonEngine]) {
    const backend = await startScriptBackend();
    const proxyHeaders = { trusted: ['127.0.0.1'], timeoutMs: 60_000 };
    const running = await start([aBackend({ port: backend.port })], { threads: 1, proxyHeaders });
    const front = await start([aBackend({ port: running.port, proxyProtocol: 'v2' })], { threads: 1 });
    contestants.push({ name: `${name}, announced by another`, backend, running, front });
  }
});

afterAll(async () => {
  for (const { backend, running, front } of contestants) {
    await front?.engine.close(0);
    await running.engine.close(0);
    await backend.close();
  }
  await until(() => descriptors() <= before, { what: 'every descriptor to be closed' });
  await direct.close();
});

async function playThrough(contestant: Contestant, script: Script): Promise<readonly Ends[]> {
  const { name, backend, running, front = running } = contestant;
  const earlier = running.traffic.report();
  const ends = await playScript(script, { port: front.port, backend });
  const isOver = () => running.engine.liveConnections + front.engine.liveConnections === 0;
  await until(isOver, { what: `${name} to have released everything` });
  const after = running.traffic.report();
  const sum = (bytesOf: (end: Ends) => number) => ends.reduce((total, end) => total + bytesOf(end), 0);
  const isCalm = ends.every(({ client, backend: other }) => !client.hasAborted && !other.hasAborted);
  if (isCalm) {
    expect(after.bytesSent - earlier.bytesSent, `${name}: bytes to the backend`).toBe(
      sum(({ client }) => client.sent + 1),
    );
    expect(after.bytesReceived - earlier.bytesReceived, `${name}: bytes to the client`).toBe(
      sum((end) => end.backend.sent),
    );
  }
  expect(after.backends[0]!.active).toBe(0);
  return ends;
}

describe('every engine', () => {
  it(
    'shows its peers what they would have seen of each other without it',
    async () => {
      await fc.assert(
        fc.asyncProperty(scripts, async (script) => {
          const [expected, ...results] = await Promise.all([
            playScript(script, { port: direct.port, backend: direct }),
            ...contestants.map((contestant) => playThrough(contestant, script)),
          ]);
          expect(expected.flatMap(wrongsOf), 'without a proxy').toEqual([]);
          for (const [index, ends] of results.entries()) {
            const { name } = contestants[index]!;
            const result = { name, wrongs: ends.flatMap(wrongsOf), seen: ends.map(seenBy) };
            expect(result).toEqual({ name, wrongs: [], seen: expected.map(seenBy) });
          }
        }),
        PARAMETERS,
      );
    },
    TIMEOUT_MS,
  );
});
