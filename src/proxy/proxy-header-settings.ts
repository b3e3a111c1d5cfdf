/** What an engine is to do about the PROXY headers of its clients. */
export interface ProxyHeaderSettings {
  /** Networks from where every connection has to begin with one; from elsewhere it is the client's own data. */
  readonly trusted: readonly string[];
  /** Time for one to come. */
  readonly timeoutMs: number;
}
