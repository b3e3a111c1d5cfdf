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
  readonly logger: Logger;
  readonly now: MonotonicClock;
}

type Found = { readonly identity: TlsIdentity } | { readonly error: unknown };

/** Takes other certificates over while the daemon runs, however their files are replaced; bad ones change nothing. */
export class CertificateWatch {
  readonly #asked$ = new Subject<void>();
  readonly #subscription;

  constructor(options: CertificateWatchOptions) {
    const { initial, paths, intervalMs$, read, logger, now } = options;
    this.#subscription = looks$<Found>({
      paths,
      initial: stateOf(initial),
      asked$: this.#asked$,
      async look() {
        try {
          const identity = await read();
          return { seen: { identity }, state: stateOf(identity), isWhole: true };
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
      .pipe(concatMap((found) => take(found, options)))
      .subscribe();
  }

  /** Looks at once, and tells what it finds. */
  reread(): void {
    this.#asked$.next();
  }

  stop(): void {
    this.#subscription.unsubscribe();
  }
}

async function take(found: Found, { present, onRefused, logger }: CertificateWatchOptions): Promise<void> {
  if ('error' in found) {
    onRefused();
    return logger.error(
      { error: messageOf(found.error) },
      'certificates cannot be used, those that are in use stay',
    );
  }
  await present(found.identity);
  const names = found.identity.pairs.flatMap((pair) => pair.names);
  logger.info({ names }, 'certificates are in use');
}

function stateOf({ pairs, clientCa }: TlsIdentity): string {
  const hash = createHash('sha256');
  for (const text of [...pairs.flatMap(({ cert, key }) => [cert, key]), clientCa ?? ''])
    hash.update(`${text.length}:`).update(text);
  return hash.digest('hex');
}
