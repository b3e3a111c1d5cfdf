import type { Settings } from '../config/schema.ts';
import type { EligibleSet } from '../domain/eligibility.ts';
import type {
  EngineReport,
  ListenAddress,
  Logger,
  MonotonicClock,
  OutcomeSink,
  PoolSource,
  ProxyEngine,
  RateLimitSource,
  TrafficSource,
} from '../domain/ports.ts';
import type { TlsSource } from '../domain/tls.ts';
import type { RehearsedPick } from '../proxy/pick-rehearsal.ts';

export interface ProxyOptions {
  readonly settings: Settings;
  readonly logger: Logger;
  /** The same in every thread. */
  readonly now: MonotonicClock;
  readonly onOutcomes: OutcomeSink;
  readonly onInForce: (setVersion: number) => void;
  readonly isAtEase: (incarnation: string) => boolean;
}

/** What is to relay. */
export interface EngineChoice extends Pick<EngineReport, 'engine' | 'syscalls'> {
  readonly threads: number;
}

/** The socket side as the settings want it. */
export interface Proxy {
  readonly choice: EngineChoice;
  readonly traffic: TrafficSource;
  readonly limiter: RateLimitSource;
  readonly pool: PoolSource;
  readonly activeOf: (incarnation: string) => number;
  /** Forgets bindings that have expired. */
  readonly collectGarbage: () => void;
  /** Fails with `ERR_GEOIP` or `ERR_ENGINE`. */
  readonly startEngine: () => Promise<ProxyEngine>;
  /**
   * Goes by other settings, but for those of geography; resolves when every thread does. Backends that do not say which
   * header they take, take that of the new settings with the next set.
   */
  readonly follow: (settings: Settings) => Promise<void>;
  /** Goes by the geography of other settings. Fails with `ERR_GEOIP`, and then all is as before. */
  readonly followGeography: (settings: Settings) => Promise<void>;
  /** Absent where there is no listener that speaks TLS itself. */
  readonly tls: TlsSource | undefined;
  /** Binds it, where there is one. Fails with `ERR_LISTEN`. */
  readonly listenTls: () => Promise<ListenAddress | undefined>;
  /** Looks at certificates at once; false where there are none. */
  readonly rereadCertificates: () => boolean;
  /** Has all threads log at this level, or not take the trouble to. */
  readonly logAt: (level: Settings['log_level']) => void;
  /**
   * What a client would get that came now, by the set in force; `undefined` when it cannot be told at this moment, as
   * before the start of the engine.
   *
   * @param app that it comes for; default: that of `listen_addr`
   */
  readonly explain: (client: string, set: EligibleSet, app?: string) => RehearsedPick | undefined;
  /** Whether there is a GeoIP database. */
  readonly hasGeoFile: boolean;
  /** Reads it again, and what it says counts from then on. Fails with `ERR_GEOIP`, and then all is as before. */
  readonly rereadGeoFile: () => Promise<void>;
}
