import { availableParallelism } from 'node:os';
import { BehaviorSubject } from 'rxjs';
import { selfSignedPair } from '../adapters/tls/self-signed.ts';
import type { Settings } from '../config/schema.ts';
import { parseListenAddress } from '../config/setting-types.ts';
import type { ListenAddress, Logger, MonotonicClock, OutcomeSink } from '../domain/ports.ts';
import type { CertificatePair, TlsReport, TlsSource, TlsIdentity } from '../domain/tls.ts';
import { EdgeProxyError, messageOf } from '../errors.ts';
import type { Directory } from '../proxy/directory.ts';
import type { EngineLists } from '../proxy/engine-lists.ts';
import type { EngineParts } from '../proxy/engine-parts.ts';
import { newsOf, type SharedState } from '../proxy/shared-state.ts';
import { handshakeReportOf, newHandshakeCountersMemory } from '../proxy/tls/handshake-counters.ts';
import { TlsEngine } from '../proxy/tls/tls-engine.ts';
import { CertificateWatch } from './certificate-watch.ts';
import { terminatesTls } from './proxy-listeners.ts';
import { TicketKeys } from './ticket-keys.ts';
import { pathsOf, readIdentity } from './tls-identity.ts';

const MODULE = import.meta.url.endsWith('.ts') ? './tls-thread.ts' : './tls-thread.js';
/** How long keys of tickets are in use. */
const DAY_MS = 86_400_000;
const SETTING = 'tls.listen_addr';

export interface TlsListenerOptions {
  readonly settings: Settings;
  readonly logger: Logger;
  readonly now: MonotonicClock;
  readonly onOutcomes: OutcomeSink;
  readonly isAtEase: (incarnation: string) => boolean;
  readonly state: SharedState;
  readonly directory: Directory;
  readonly parts: EngineParts;
  /** The number of its first thread among all that relay. */
  readonly firstThread: number;
}

/** The TLS listener of a daemon, from its certificates to its threads. */
export class TlsListener implements TlsSource {
  readonly #options: TlsListenerOptions;
  readonly #handshakes;
  readonly #certificates = { applied: 0, refused: 0, unchanged: 0 };
  readonly #ticketKeys = new TicketKeys(DAY_MS, () => void this.#showTicketKeys());
  readonly #lookEveryMs$;
  #identity: TlsIdentity | undefined;
  #watch: CertificateWatch | undefined;
  #selfSigned: Promise<CertificatePair> | undefined;
  #engine: TlsEngine | undefined;

  constructor(options: TlsListenerOptions) {
    this.#options = options;
    this.#handshakes = newHandshakeCountersMemory(tlsThreadsOf(options.settings));
    this.#lookEveryMs$ = new BehaviorSubject(intervalMsOf(options.settings));
  }

  /** Once it has started. */
  get engine(): TlsEngine {
    return this.#engine!;
  }

  /** Reads the certificates and starts the threads. Fails with `ERR_TLS` or `ERR_ENGINE`. */
  async start(
    settings: Settings,
    lists: EngineLists,
    onInForce: (setVersion: number) => void,
  ): Promise<void> {
    const { state, parts } = this.#options;
    const identity = await this.#readIdentity(settings);
    this.#identity = identity;
    try {
      this.#engine = await TlsEngine.start({
        ...this.#options,
        ...parts,
        threads: tlsThreadsOf(settings),
        module: new URL(MODULE, import.meta.url),
        settings: {
          addressSetting: SETTING,
          memory: state.memory,
          handshakes: this.#handshakes,
          ownRegion: settings.region,
          numbers: parts.numbersMemory,
          lists,
          limits: parts.limits.memory,
          queue: parts.queue,
          rateLimit: parts.limiter.memory,
          identity,
        },
        news: newsOf(state.memory, state.counters.length),
        onInForce,
        onDraining: () => {
          this.#watch?.stop();
          this.#ticketKeys.stop();
        },
      });
    } catch (error) {
      throw new EdgeProxyError('ERR_ENGINE', `a TLS thread does not start: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  /** Takes other certificates over from then on. Fails with `ERR_LISTEN`. */
  async listen(): Promise<ListenAddress> {
    const { settings, logger, now } = this.#options;
    const address = await this.engine.listen(parseListenAddress(settings.tls.listen_addr)!);
    this.#watch = new CertificateWatch({
      initial: this.#identity!,
      paths: pathsOf(settings),
      intervalMs$: this.#lookEveryMs$,
      read: () => this.#readIdentity(settings),
      present: (identity) => this.#present(identity),
      onRefused: () => void this.#certificates.refused++,
      onUnchanged: () => void this.#certificates.unchanged++,
      logger,
      now,
    });
    return address;
  }

  /** Looks at the certificates at once. */
  reread(): void {
    this.#watch?.reread();
  }

  reconfigure(settings: Settings, lists: EngineLists): Promise<void> {
    this.#lookEveryMs$.next(intervalMsOf(settings));
    return this.engine.reconfigure(lists);
  }

  report(): TlsReport {
    return {
      ...handshakeReportOf(this.#handshakes),
      certificates: this.#certificates,
      earliestExpiryMs: Math.min(...(this.#identity?.pairs ?? []).map(({ expiresMs }) => expiresMs)),
    };
  }

  async #present(identity: TlsIdentity): Promise<void> {
    // A session may not outlive those who vouched for its client.
    if (identity.clientCa !== this.#identity?.clientCa) this.#ticketKeys.change();
    this.#identity = { ...identity, ticketKeys: this.#ticketKeys.present };
    await this.engine.present(this.#identity);
    this.#certificates.applied++;
  }

  async #showTicketKeys(): Promise<void> {
    if (this.#identity === undefined || this.#engine === undefined) return;
    this.#identity = { ...this.#identity, ticketKeys: this.#ticketKeys.present };
    await this.#engine.present(this.#identity);
  }

  #readIdentity(settings: Settings) {
    return readIdentity(settings, this.#ticketKeys.present, () => this.#signItself(), Date.now());
  }

  #signItself(): Promise<CertificatePair> {
    if (this.#selfSigned === undefined) {
      this.#selfSigned = selfSignedPair(Date.now());
      this.#options.logger.warn({}, 'TLS clients are shown a certificate that nobody vouches for');
    }
    return this.#selfSigned;
  }
}

function intervalMsOf({ config_watch: { interval_secs: seconds } }: Settings): number {
  return seconds * 1000;
}

/** 0 where there is no TLS listener that speaks TLS itself. */
export function tlsThreadsOf(settings: Settings): number {
  const { tls } = settings;
  if (!terminatesTls(settings)) return 0;
  // Elsewhere several listeners of one port are not given their share of the clients, or not allowed.
  if (process.platform !== 'linux') return 1;
  return tls.threads === 0 ? availableParallelism() : tls.threads;
}
