import { combineLatest, map, type Observable, ReplaySubject, tap } from 'rxjs';
import { loadRegistrations, saveRegistrations } from '../adapters/file/registrations-file.ts';
import { createStateSaver } from '../adapters/file/state-saver.ts';
import type { Backend } from '../domain/backend.ts';
import type { Logger, MonotonicClock } from '../domain/ports.ts';
import type { RegisteredBackend, Registrar, RegisterOutcome, Swept } from '../domain/registration.ts';
import { type KeptRegistration, Registry } from '../domain/registry.ts';
import { messageOf } from '../errors.ts';

export interface FileRegistrarOptions {
  readonly path: string;
  readonly ttlMs: () => number;
  readonly logger: Logger;
  readonly now: MonotonicClock;
  /** Unix time in milliseconds. */
  readonly wallClock: () => number;
}

/**
 * Registrations of a daemon without a database, kept in a file of the state folder.
 *
 *     backends of the file ───────────────┐
 *     register, deregister ─► registry ───┴─► mergedWith ─► fleet
 *     heartbeat, sweep ─────►    └──► file, on disk before the answer
 */
export class FileRegistrar implements Registrar {
  readonly #options: FileRegistrarOptions;
  readonly #registry: Registry;
  readonly #registered$ = new ReplaySubject<readonly Backend[]>(1);
  readonly #saver;
  #taken: ReadonlySet<string> = new Set();

  constructor(options: FileRegistrarOptions) {
    this.#options = options;
    this.#registry = new Registry({ ...options, isTaken: (id) => this.#taken.has(id) });
    this.#saver = createStateSaver<readonly KeptRegistration[]>({
      write: (kept) => saveRegistrations(options.path, kept),
      onError: (error) => options.logger.error({ error: messageOf(error) }, 'registrations cannot be saved'),
    });
  }

  get count(): number {
    return this.#registry.count;
  }

  /**
   * The backends of the file and those that have registered, ordered by id; the first time when `load` is over. One of
   * the file has its id alone.
   */
  mergedWith(file$: Observable<readonly Backend[]>): Observable<readonly Backend[]> {
    const own$ = file$.pipe(tap((backends) => (this.#taken = new Set(backends.map(({ id }) => id)))));
    return combineLatest([own$, this.#registered$]).pipe(
      map(([own, registered]) =>
        [...own, ...registered.filter(({ id }) => !this.#taken.has(id))].toSorted((a, b) =>
          a.id < b.id ? -1 : 1,
        ),
      ),
    );
  }

  /** Reads what was kept; what cannot be read is told, and the daemon goes on without it. */
  async load(): Promise<void> {
    const { path, logger } = this.#options;
    try {
      const loaded = await loadRegistrations(path);
      for (const { id, problems } of loaded?.skipped ?? []) {
        logger.warn({ backend: id, problems }, 'registration skipped');
      }
      this.#registry.load(loaded?.registrations ?? []);
      if (loaded !== undefined) logger.info({ path, backends: this.#registry.count }, 'registrations loaded');
    } catch (error) {
      logger.error({ error: messageOf(error) }, 'registrations cannot be loaded');
    }
    this.#emit();
  }

  /** Resolves when everything is on disk, or reported. */
  flush(): Promise<void> {
    return this.#saver.flush();
  }

  async register(backend: Backend): Promise<RegisterOutcome> {
    const outcome = this.#registry.register(backend);
    if (outcome.result === 'registered' || outcome.result === 'updated') await this.#changed();
    return outcome;
  }

  async heartbeat(id: string): Promise<'heard' | 'revived' | 'unknown'> {
    const result = this.#registry.heartbeat(id);
    if (result === 'revived') await this.#changed();
    return result;
  }

  async deregister(id: string): Promise<boolean> {
    const isGone = this.#registry.deregister(id);
    if (isGone) await this.#changed();
    return isGone;
  }

  list(): Promise<readonly RegisteredBackend[]> {
    return Promise.resolve(this.#registry.list());
  }

  find(id: string): Promise<RegisteredBackend | undefined> {
    return Promise.resolve(this.#registry.find(id));
  }

  async sweep(watchedMs: number): Promise<Swept> {
    const swept = this.#registry.sweep(watchedMs);
    if (swept.expired.length > 0 || swept.removed.length > 0) await this.#changed();
    return swept;
  }

  /** What many change at one time is written together. */
  async #changed(): Promise<void> {
    this.#emit();
    this.#saver.save(this.#registry.kept());
    await this.#saver.flush();
  }

  #emit(): void {
    this.#registered$.next(this.#registry.kept().map(({ backend }) => backend));
  }
}
