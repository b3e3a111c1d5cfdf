import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { DaemonProcess } from '../support/daemon.ts';

/** What the daemon holds while nobody is connected, and what it has done so far. */
export interface Sample {
  readonly seconds: number;
  readonly connections: number;
  readonly bytes: number;
  /** Without the ends of pipes. */
  readonly descriptors: number;
  readonly pipeEnds: number;
  readonly residentBytes: number;
}

/** Growth that is no leak: the heap of V8 breathes, and connections to it (of a scrape) come and go. */
export const MOST_GROWTH = { descriptors: 4, residentBytes: 24e6 } as const;

export async function takeSample(daemon: DaemonProcess, seconds: number): Promise<Sample> {
  const total = async (series: string): Promise<number> => (await daemon.metric(series)) ?? 0;
  const connections = await total('edgeproxy_connections_total');
  const bytes = (await total('edgeproxy_bytes_sent_total')) + (await total('edgeproxy_bytes_received_total'));
  const pid = daemon.child.pid!;
  const links = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
  const pipeEnds = links.filter((link) => link.startsWith('pipe:')).length;
  return {
    seconds,
    connections,
    bytes,
    descriptors: links.filter((link) => link !== '').length - pipeEnds,
    pipeEnds,
    residentBytes: residentBytes(pid),
  };
}

export function rowsOf(samples: readonly Sample[]): readonly (readonly string[])[] {
  const head = ['seconds', 'connections', 'GB', 'descriptors', 'pipe ends', 'RSS MB'];
  const rows = samples.map((sample) => [
    sample.seconds.toFixed(0),
    String(sample.connections),
    (sample.bytes / 1e9).toFixed(1),
    String(sample.descriptors),
    String(sample.pipeEnds),
    (sample.residentBytes / 1e6).toFixed(1),
  ]);
  return [head, ...rows];
}

/**
 * What has grown by more than it may, from the first quarter of the samples to the last; nothing when all is flat.
 *
 * @param mostPipeEnds that the load can have in use at once, and that are kept for the next
 */
export function growthsOf(samples: readonly Sample[], mostPipeEnds: number): readonly string[] {
  const quarter = Math.max(1, Math.floor(samples.length / 4));
  const [first, last] = [samples.slice(0, quarter), samples.slice(-quarter)];
  const growth = (valueOf: (sample: Sample) => number): number =>
    median(last.map(valueOf)) - median(first.map(valueOf));
  const descriptors = growth((sample) => sample.descriptors);
  const resident = growth((sample) => sample.residentBytes);
  const pipeEnds = Math.max(...samples.map((sample) => sample.pipeEnds));
  const found = [
    descriptors > MOST_GROWTH.descriptors &&
      `${descriptors} more descriptors, ${MOST_GROWTH.descriptors} are allowed`,
    pipeEnds > mostPipeEnds && `${pipeEnds} ends of pipes, ${mostPipeEnds} are allowed`,
    resident > MOST_GROWTH.residentBytes &&
      `${(resident / 1e6).toFixed(1)} MB more, ${MOST_GROWTH.residentBytes / 1e6} are allowed`,
  ];
  return found.filter((text) => text !== false);
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Closed since the folder was read.
    return '';
  }
}

function residentBytes(pid: number): number {
  const match = /^Rss:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'));
  if (match === null) throw new Error(`no Rss in /proc/${pid}/smaps_rollup`);
  return Number(match[1]) * 1024;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
