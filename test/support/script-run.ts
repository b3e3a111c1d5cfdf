import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { Bell } from './bell.ts';
import { ScriptedPeer } from './scripted-peer.ts';
import type { Script, Side, Step } from './scripts.ts';
import { startTcpBackend, tcpConnect, type TcpBackend } from './sockets.ts';

/** Where clients of a script connect to; backends tell their connections apart by the first byte. */
export interface ScriptBackend extends TcpBackend {
  /** The backend's side of the connection that begins with this byte. */
  arrived(id: number): Promise<Socket>;
}

const IDS = 256;

export async function startScriptBackend(): Promise<ScriptBackend> {
  const arrivals = new Map<number, PromiseWithResolvers<Socket>>();
  const arrival = (id: number): PromiseWithResolvers<Socket> => {
    const known = arrivals.get(id) ?? Promise.withResolvers<Socket>();
    arrivals.set(id, known);
    return known;
  };
  const onConnection = (socket: Socket): void => {
    socket.once('readable', () => {
      const [id] = (socket.read(1) as Buffer | null) ?? [];
      if (id !== undefined) arrival(id).resolve(socket);
    });
  };
  const backend = await startTcpBackend(onConnection, { allowHalfOpen: true });
  return {
    host: backend.host,
    port: backend.port,
    get connections() {
      return backend.connections;
    },
    get sockets() {
      return backend.sockets;
    },
    close: () => backend.close(),
    async arrived(id) {
      const socket = await arrival(id).promise;
      arrivals.delete(id);
      return socket;
    },
  };
}

/** Both sides of a connection after its script. */
export type Ends = Readonly<Record<Side, ScriptedPeer>>;

/** Where a script is played: directly at the backend, or through a proxy. */
export interface Stage {
  readonly port: number;
  readonly backend: ScriptBackend;
}

let lastId = 0;

/** Plays a script to its end: every connection is closed, from both sides. Rejects when one is stuck. */
export async function playScript(script: Script, stage: Stage): Promise<readonly Ends[]> {
  const played = await Promise.allSettled(script.map((steps) => playConnection(steps, stage)));
  return played.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

async function playConnection(steps: readonly Step[], { port, backend }: Stage): Promise<Ends> {
  const id = (lastId = (lastId + 1) % IDS);
  const bell = new Bell();
  const socket = await tcpConnect(port, '127.0.0.1', { allowHalfOpen: true });
  const arrived = backend.arrived(id);
  socket.write(Buffer.of(id));
  const [up, down] = [2 * id, 2 * id + 1];
  const client = new ScriptedPeer({ side: 'client', socket, bell, keys: { sent: up, received: down } });
  let opposite: Socket | undefined;
  try {
    opposite = await arrived;
    const keys = { sent: down, received: up };
    const ends = { client, backend: new ScriptedPeer({ side: 'backend', socket: opposite, bell, keys }) };
    for (const step of steps) await play(step, ends, bell);
    for (const peer of [client, ends.backend]) peer.finish();
    await bell.until(
      () => client.isClosed && ends.backend.isClosed,
      () => `the end of ${client.describe()} ${ends.backend.describe()}`,
    );
    return ends;
  } finally {
    socket.destroy();
    opposite?.destroy();
  }
}

async function play(step: Step, ends: Ends, bell: Bell): Promise<void> {
  if (step.act === 'turns') {
    for (let count = 0; count < step.count; count++) await turn();
    return;
  }
  const self = ends[step.side];
  const other = ends[step.side === 'client' ? 'backend' : 'client'];
  const isBroken = (): boolean => self.error !== undefined || other.error !== undefined;
  const isAborted = self.hasAborted || other.hasAborted;
  const described = () => `${step.act} of ${self.describe()} ${other.describe()}`;
  switch (step.act) {
    case 'send':
      return self.send(step.sizes, step.apart);
    case 'stop-reading':
      return self.stopReading();
    case 'read-on':
      return self.readOn();
    case 'fin':
      return self.fin();
    case 'reset':
      return self.reset();
    case 'close':
      return self.close();
    case 'await-receipt':
      if (isAborted || !other.isReading) return undefined;
      return bell.until(() => other.received === self.sent || isBroken(), described);
    case 'await-fin':
      if (isAborted || !other.hasSentFin || !self.isReading) return undefined;
      await bell.until(() => self.hasSeenFin || isBroken(), described);
      self.hasAwaitedFin = true;
      self.hasFollowed ||= !self.hasSentFin;
      return undefined;
    default:
      return step satisfies never;
  }
}
