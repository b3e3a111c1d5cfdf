import type { GeoSource } from '../domain/geo.ts';
import type { ServerNameTable } from '../domain/tls/server-names.ts';
import type { App } from './apps.ts';

/** What an engine goes by that is no number, and that may change while it runs: plain data, may be sent to a thread. */
export interface EngineLists {
  /** Networks of proxies: a connection from there has to begin with a PROXY header. */
  readonly trusted: readonly string[];
  /** Networks whose clients are never rate limited. */
  readonly exempt: readonly string[];
  readonly geo: GeoSource;
  /** Whose backends the clients of TLS are given whose greeting says it. */
  readonly serverNames: ServerNameTable<App>;
}
