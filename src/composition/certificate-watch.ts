import { createHash } from 'node:crypto';
import { concatMap, distinctUntilChanged, map, type Observable, Subject } from 'rxjs';
import { looks$ } from '../adapters/file/looks.ts';
import type { Logger, MonotonicClock } from '../domain/ports.ts';
import type { TlsIdentity } from '../domain/tls.ts';
import { messageOf } from '../errors.ts';

export interface CertificateWatchOptions {
  /** What is in use. */
  readonly initial: TlsIdentity;
  readonly paths: readonly string[];
  /** Pause between two looks that the system has not hinted at, from each one on. */
  readonly intervalMs$: Observable<number>;
  /** Reads the files; rejects when they cannot be used. */
  readonly read: () => Promise<TlsIdentity>;
  /** Has clients shown another identity; resolves when all that come are. */
  readonly present: (identity: TlsIdentity) => Promise<void>;
  /** The files have been found to be bad, and those that are in use stay. */
  readonly onRefused: () => void;
  /** The files have been read, and are those that are in use. */
  readonly onUnchanged: () => void;
  readonly logger: Logger;
  readonly now: MonotonicClock;
}

type Found = { readonly identity: TlsIdentity; readonly state: string } | { readonly error: unknown };

/** Takes other certificates over while the daemon runs, however their files are replaced; bad ones change nothing. */
export class CertificateWatch {
  readonly #asked$ = new Subject<void>();
  readonly #subscription;
  readonly #options: CertificateWatchOptions;
  /** State of what clients are shown. */
  #inUse: string;

  constructor(options: CertificateWatchOptions) {
    const { initial, paths, intervalMs$, read, logger, now } = options;
    this.#options = options;
    this.#inUse = stateOf(initial);
    this.#subscription = looks$<Found>({
      paths,
      initial: this.#inUse,
      asked$: this.#asked$,
      async look() {
        try {
          const identity = await read();
          const state = stateOf(identity);
          return { seen: { identity, state }, state, isWhole: true };
        } catch (error) {
          return { seen: { error }, state: `bad: ${messageOf(error)}`, isWhole: false };
        }
      },
      watch$: intervalMs$.pipe(
        distinctUntilChanged(),
        map((intervalMs) => ({
          intervalMs,
          onDeaf: (folder, error) =>
            logger.warn({ folder, error: error.message }, 'cannot watch the folder, certificates are polled'),
        })),
      ),
      now,
    })
      .pipe(concatMap((found) => this.#take(found)))
      .subscribe();
  }

  /** Looks at once, and tells what it finds. */
  reread(): void {
    this.#asked$.next();
  }

  stop(): void {
    this.#subscription.unsubscribe();
  }

  async #take(found: Found): Promise<void> {
    const { present, onRefused, onUnchanged, logger } = this.#options;
    if ('error' in found) {
      onRefused();
      return logger.error(
        { error: messageOf(found.error) },
        'certificates cannot be used, those that are in use stay',
      );
    }
    const names = found.identity.pairs.flatMap((pair) => pair.names);
    if (found.state === this.#inUse) {
      onUnchanged();
      return logger.info({ names }, 'certificates read, nothing has changed');
    }
    await present(found.identity);
    this.#inUse = found.state;
    logger.info({ names }, 'certificates are in use');
  }
}

function stateOf({ pairs, clientCa }: TlsIdentity): string {
  const hash = createHash('sha256');
  for (const text of [...pairs.flatMap(({ cert, key }) => [cert, key]), clientCa ?? ''])
    hash.update(`${text.length}:`).update(text);
  return hash.digest('hex');
}
