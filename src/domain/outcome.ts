/**
 * Why a connection counts against its backend. Trouble of the daemon itself (no descriptors, no local ports) and
 * whatever the client does are not in here: they are never charged to a backend.
 */
export type FailureCause =
  | 'refused'
  | 'timeout'
  | 'unreachable'
  | 'reset'
  | 'closed_before_first_byte'
  | 'first_byte_timeout';

/** What one connection attempt says about its backend; `epoch` is the one of its breaker when it was let in. */
export type Outcome =
  /** A connection has taken a permit of a half-open breaker; what becomes of it follows. */
  | { readonly incarnation: string; readonly epoch: number; readonly result: 'trial' }
  | { readonly incarnation: string; readonly epoch: number; readonly result: 'success' }
  | {
      readonly incarnation: string;
      readonly epoch: number;
      readonly result: 'failure';
      readonly cause: FailureCause;
      readonly detail: string;
    };

/** Why a client was turned away: its connection is closed without a byte. */
export const REFUSAL_REASONS = [
  'no_backend',
  'all_full',
  'connect_failed',
  'local_error',
  'bad_proxy_header',
  'rate_limited',
  'max_connections',
  'max_connections_per_client',
  'queue_timeout',
  'bad_client_hello',
  'unknown_server_name',
  'max_handshakes',
] as const;

export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** What an established connection may take too long for: then both of its sides are reset. */
export const TIMEOUT_KINDS = ['idle', 'half_closed', 'first_byte'] as const;

export type TimeoutKind = (typeof TIMEOUT_KINDS)[number];
