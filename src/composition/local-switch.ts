import { BehaviorSubject, combineLatest, filter, map, type Observable, tap } from 'rxjs';
import { loadSwitchedOff, saveSwitchedOff } from '../adapters/file/switched-off-file.ts';
import type { Backend } from '../domain/backend.ts';
import type { BackendSwitch } from '../domain/backend-switch.ts';
import type { Logger } from '../domain/ports.ts';
import { messageOf } from '../errors.ts';

/**
 * Which backends a daemon without a database leaves out because it was told to; kept in a file of the state folder.
 *
 *     backends ─┐
 *     turn ─────┴─► appliedTo ─► fleet
 *       └──► file, on disk before the answer
 */
export class LocalSwitch implements BackendSwitch {
  readonly scope = 'daemon';
  readonly #path: string;
  readonly #logger: Logger;
  /** `undefined` until it has been read. */
  readonly #off$ = new BehaviorSubject<ReadonlySet<string> | undefined>(undefined);
  #wanted: ReadonlyMap<string, Backend> = new Map();
  #last: Promise<unknown> = Promise.resolve();

  constructor(path: string, logger: Logger) {
    this.#path = path;
    this.#logger = logger;
  }

  /** The backends, as their owner wants them but for those that are switched off; the first time when `load` is over. */
  appliedTo(backends$: Observable<readonly Backend[]>): Observable<readonly Backend[]> {
    const own$ = backends$.pipe(tap((backends) => (this.#wanted = new Map(backends.map((b) => [b.id, b])))));
    const off$ = this.#off$.pipe(filter((ids) => ids !== undefined));
    return combineLatest([own$, off$]).pipe(
      map(([backends, ids]) =>
        backends.map((backend) => (ids.has(backend.id) ? { ...backend, adminUp: false } : backend)),
      ),
    );
  }

  /** Reads what was kept; what cannot be read is told, and the daemon goes on without it. */
  async load(): Promise<void> {
    try {
      const ids = await loadSwitchedOff(this.#path);
      if (ids.size > 0)
        this.#logger.warn(
          { path: this.#path, backends: [...ids] },
          'backends are switched off in this daemon',
        );
      this.#off$.next(ids);
    } catch (error) {
      this.#logger.error({ error: messageOf(error) }, 'switched off backends cannot be loaded');
      this.#off$.next(new Set());
    }
  }

  turn(id: string, isIn: boolean): ReturnType<BackendSwitch['turn']> {
    const turned = this.#last.then(() => this.#turn(id, isIn));
    this.#last = turned.catch(() => undefined);
    return turned;
  }

  async #turn(id: string, isIn: boolean): ReturnType<BackendSwitch['turn']> {
    const backend = this.#wanted.get(id);
    if (backend === undefined || backend.deleted) return 'unknown';
    const before = this.#off$.value ?? new Set();
    if (isIn && !backend.adminUp) return 'kept_out';
    if (before.has(id) !== isIn) return 'unchanged';
    const others = [...before].filter((one) => one !== id);
    const ids = new Set(isIn ? others : [...others, id]);
    await saveSwitchedOff(this.#path, ids);
    this.#off$.next(ids);
    return 'changed';
  }
}
