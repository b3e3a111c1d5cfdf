/** A certificate, the chain behind it, and its key: PEM text. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
  /** Server names that it is for, such as `edge.example` and `*.edge.example`; lower case. */
  readonly names: readonly string[];
  /** Unix time in milliseconds. */
  readonly expiresMs: number;
}

export const TLS_VERSIONS = ['1.2', '1.3'] as const;

export type TlsVersion = (typeof TLS_VERSIONS)[number];

export const CLIENT_AUTH_MODES = ['off', 'optional', 'required'] as const;

/** Whether clients show a certificate: `optional` is whether they like, but one that is shown has to be good. */
export type ClientAuthMode = (typeof CLIENT_AUTH_MODES)[number];

/** What a TLS listener shows and demands: plain data, may be sent to a thread. */
export interface TlsIdentity {
  /** The first one is for clients that name no server, or none that a certificate is for. */
  readonly pairs: readonly CertificatePair[];
  readonly minVersion: TlsVersion;
  /** OpenSSL's list, of TLS 1.2 and 1.3. */
  readonly ciphers: string;
  /** In the order of preference; empty is no ALPN. */
  readonly alpn: readonly string[];
  readonly clientAuth: ClientAuthMode;
  /** Certificates that sign those of clients: PEM text. */
  readonly clientCa: string | undefined;
  /** 48 bytes, the same in every thread: a session may be resumed wherever its client comes to. */
  readonly ticketKeys: Uint8Array;
}

/** Why a handshake has failed; `ended`: its client has gone; `aborted`: the daemon has closed it. */
export const HANDSHAKE_FAILURES = [
  'timeout',
  'ended',
  'not_tls',
  'version',
  'cipher',
  'alpn',
  'client_certificate',
  'aborted',
  'other',
] as const;

export type HandshakeFailure = (typeof HANDSHAKE_FAILURES)[number];

/** How the handshakes of a daemon fare. */
export interface HandshakeReport {
  readonly underWay: number;
  readonly done: readonly {
    readonly version: TlsVersion;
    readonly isResumed: boolean;
    readonly count: number;
  }[];
  readonly failed: Readonly<Record<HandshakeFailure, number>>;
}

/** How the TLS listener fares. */
export interface TlsReport extends HandshakeReport {
  /** What came of it when certificates were read while others are in use; `unchanged`: they were the same. */
  readonly certificates: { readonly applied: number; readonly refused: number; readonly unchanged: number };
  /** When the first certificate of those in use expires: Unix time in milliseconds. */
  readonly earliestExpiryMs: number;
}

export interface TlsSource {
  report(): TlsReport;
}
