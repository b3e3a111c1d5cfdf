import { setTimeout as delay } from 'node:timers/promises';
import type { Backend } from '../../src/domain/backend.ts';
import { aBackend } from '../support/backends.ts';
import { startSilentPort } from '../support/silent-port.ts';
import { freePort, startTcpBackend, type TcpBackend } from '../support/sockets.ts';
import { Peer } from './peer.ts';
import type { Random } from './random.ts';
import type { Streams } from './streams.ts';

/** How backends meet a connection; each kind sometimes behaves like any other. */
const KINDS = ['lives', 'lives', 'lives', 'leaves', 'resets', 'vanishes', 'fickle'] as const;
type Kind = (typeof KINDS)[number];
const FICKLE: Readonly<Record<Exclude<Kind, 'fickle'>, number>> = {
  lives: 5,
  leaves: 1,
  resets: 1,
  vanishes: 1,
};

/** A backend whose listener may go away and come back. */
class FuzzBackend {
  readonly backend: Backend;
  readonly #kind: Kind;
  readonly #streams: Streams;
  readonly #random: Random;
  readonly peers = new Set<Peer>();
  #server: TcpBackend | undefined;

  constructor(kind: Kind, backend: Backend, streams: Streams, random: Random) {
    this.#kind = kind;
    this.backend = backend;
    this.#streams = streams;
    this.#random = random;
  }

  async open(): Promise<void> {
    this.#server = await startTcpBackend(
      (socket) => {
        const peer = new Peer(`backend ${this.backend.id}`, socket, this.#streams, this.#random.fork());
        this.peers.add(peer);
        void peer.closed.then(() => this.peers.delete(peer));
        void this.#meet(peer);
      },
      { port: this.backend.port, allowHalfOpen: true },
    );
  }

  /** Loses its listener and all its connections. */
  async fail(): Promise<void> {
    // What was sent last may be lost, behind a FIN.
    for (const { own } of this.peers) own.isCut = true;
    await this.#server?.close();
    this.#server = undefined;
  }

  async #meet(peer: Peer): Promise<void> {
    const kind = this.#kind === 'fickle' ? this.#random.choose(FICKLE) : this.#kind;
    switch (kind) {
      case 'lives':
        return peer.live();
      case 'leaves':
        if (this.#random.chance(0.5)) await Promise.race([peer.heard(), delay(500)]);
        return peer.leave(this.#random.pick(['closeSoon', 'close', 'fin']));
      case 'resets':
        if (this.#random.chance(0.5)) await Promise.race([peer.heard(), delay(500)]);
        return peer.leave('reset');
      case 'vanishes':
        return peer.vanish();
      default:
        return kind satisfies never;
    }
  }
}

/** Backends of every kind, one that refuses and one that does not answer. */
export class Fleet {
  readonly #backends: readonly FuzzBackend[];
  readonly #others: readonly Backend[];
  readonly #silent: Awaited<ReturnType<typeof startSilentPort>>;
  readonly #random: Random;

  private constructor(
    backends: readonly FuzzBackend[],
    others: readonly Backend[],
    silent: Awaited<ReturnType<typeof startSilentPort>>,
    random: Random,
  ) {
    this.#backends = backends;
    this.#others = others;
    this.#silent = silent;
    this.#random = random;
  }

  static async start(streams: Streams, random: Random): Promise<Fleet> {
    const silent = await startSilentPort();
    const backends: FuzzBackend[] = [];
    for (const [index, kind] of KINDS.entries()) {
      // Some are always full, and some never.
      const hardLimit = random.pick([0, random.int(2, 12), random.int(10, 40)]);
      const softLimit = Math.max(1, Math.floor(hardLimit / 2));
      const id = `${index}-${kind}`;
      const row = aBackend({ id, port: await freePort(), hardLimit, softLimit, weight: random.int(1, 4) });
      const backend = new FuzzBackend(kind, row, streams, random.fork());
      await backend.open();
      backends.push(backend);
    }
    const others = [
      aBackend({ id: 'refuses', port: await freePort() }),
      aBackend({ id: 'silent', port: silent.port, hardLimit: 6, softLimit: 3 }),
    ];
    return new Fleet(backends, others, silent, random.fork());
  }

  get peers(): readonly Peer[] {
    return this.#backends.flatMap(({ peers }) => [...peers]);
  }

  get rows(): readonly Backend[] {
    return [...this.#backends.map(({ backend }) => backend), ...this.#others];
  }

  /** Some of them; of those that serve, at least one. */
  someRows(): readonly Backend[] {
    const random = this.#random;
    const chosen = this.rows.filter(({ id }) => random.chance(id === 'silent' ? 0.3 : 0.75));
    return [...new Set([random.pick(this.#backends).backend, ...chosen])];
  }

  /** One fails and comes back a while later. */
  async trouble(): Promise<void> {
    const victim = this.#random.pick(this.#backends);
    await victim.fail();
    await delay(this.#random.int(0, 300));
    await victim.open();
  }

  async close(): Promise<void> {
    await Promise.all(this.#backends.map((backend) => backend.fail()));
    await this.#silent.close();
  }
}
