import { partsOf } from './backend.ts';
import type { Page, PageQuery } from './page.ts';

/** `waiting`: for a place. `connecting`: to its backend. */
export const CONNECTION_STATES = ['waiting', 'connecting', 'connected'] as const;

/** A client that is being served, as far as it has come. */
export interface LiveConnection {
  readonly client: string;
  readonly clientPort: number | undefined;
  /** The app that it has come for; absent where clients are given every app, and until its server name is known. */
  readonly app: string | undefined;
  readonly state: (typeof CONNECTION_STATES)[number];
  /** Id and address of its backend, as `incarnationOf`; absent while it has none. */
  readonly incarnation: string | undefined;
  /** When it was accepted, in whole seconds of Unix time. */
  readonly sinceUnixSecs: number;
  /** Client to backend, handed on so far. */
  readonly bytesSent: number;
  /** Backend to client, handed on so far. */
  readonly bytesReceived: number;
}

export interface ConnectionQuery extends PageQuery {
  /** Only those of a backend. */
  readonly backendId?: string | undefined;
  /** Only those of a client address, as text in canonical form. */
  readonly client?: string | undefined;
}

/**
 * One that lives from the first page to the last is in exactly one of them; one that comes or goes meanwhile may be in
 * none. A page may hold fewer than asked for, even none, and yet not be the last: only so many are looked at at once.
 */
export type ConnectionPage = Page<LiveConnection>;

/** Connections that a page looks at. */
export const LOOKS_PER_PAGE = 16_384;

/** What decides whether a connection is asked for; the text of the address is made only when it is looked at. */
interface Asked {
  readonly client: { readonly text: string };
  readonly incarnation: string | undefined;
}

/** Whether a connection is one of those asked for. */
export function isAskedFor({ client, incarnation }: Asked, query: ConnectionQuery): boolean {
  if (query.backendId !== undefined) {
    if (incarnation === undefined || partsOf(incarnation).id !== query.backendId) return false;
  }
  return query.client === undefined || client.text === query.client;
}
