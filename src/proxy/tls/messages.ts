import type { Outcome } from '../../domain/outcome.ts';
import type { ListenAddress } from '../../domain/ports.ts';
import type { TlsIdentity } from '../../domain/tls.ts';
import type { EngineLists } from '../engine-lists.ts';
import type { LogLine } from '../epoll/messages.ts';
import type { RouteTable } from '../routes.ts';
import type { Newcomer } from './roster.ts';

/** What a thread of the TLS listener is told. */
export type TlsCommand =
  | { readonly type: 'listen'; readonly address: ListenAddress }
  /** @param newcomers who has got a slot since the last table */
  | { readonly type: 'route'; readonly table: RouteTable; readonly newcomers: readonly Newcomer[] }
  /** The shared numbers have changed, and these lists: says so when it goes by all of them. */
  | { readonly type: 'configure'; readonly version: number; readonly lists: EngineLists }
  /** Shows another identity to whoever comes from now on. */
  | { readonly type: 'present'; readonly version: number; readonly identity: TlsIdentity }
  /** Ends the connections of a backend. */
  | { readonly type: 'cut'; readonly incarnation: string }
  /** Stops accepting, and says when the last client has gone. */
  | { readonly type: 'drain' }
  /** Drains, and ends what is left over this time. */
  | { readonly type: 'close'; readonly spreadMs: number };

/** What it tells. */
export type TlsReport =
  | { readonly type: 'ready' }
  | { readonly type: 'listening' }
  /** It cannot listen. @param problem of `ERR_LISTEN` */
  | { readonly type: 'deaf'; readonly problem: string }
  | { readonly type: 'inForce'; readonly version: number }
  /** It goes by settings or an identity. */
  | { readonly type: 'agreed'; readonly version: number }
  | { readonly type: 'outcomes'; readonly outcomes: readonly Outcome[] }
  | { readonly type: 'log'; readonly line: LogLine }
  | { readonly type: 'drained' };
