import type { Json } from '../../domain/json.ts';

/** The version of the protocol of `@statelyai/inspect` that these messages follow. */
export const PROTOCOL_VERSION = '0.7.2';

interface StatelyMessage {
  readonly rootId: string;
  readonly sessionId: string;
  /** Unix time in milliseconds, as text. */
  readonly createdAt: string;
  readonly id: string;
  readonly _version: string;
}

/** The messages that the Stately inspector understands. Source: package `@statelyai/inspect`, `src/types.ts`. */
export type StatelyInspectionMessage =
  | (StatelyMessage & {
      readonly type: '@xstate.actor';
      readonly name: string;
      readonly parentId: string | undefined;
      /** The machine's configuration, as JSON text. */
      readonly definition: string | undefined;
      readonly snapshot: Json;
    })
  | (StatelyMessage & {
      readonly type: '@xstate.event';
      readonly event: Json;
      readonly sourceId: string | undefined;
    })
  | (StatelyMessage & { readonly type: '@xstate.snapshot'; readonly event: Json; readonly snapshot: Json });

/** What our own page needs beside that. */
export type InspectionNote =
  /** How many actors match, and how many of them are not followed because there is a limit; again when it changes. */
  | {
      readonly type: 'edgeproxy.scope';
      readonly pattern: string;
      readonly matched: number;
      readonly followed: number;
      readonly leftOut: number;
    }
  /** Comes before the `@xstate.actor` of the same session. */
  | {
      readonly type: 'edgeproxy.actor';
      readonly sessionId: string;
      readonly name: string;
      /** The chart to ask for; `undefined` for an actor that runs no machine. */
      readonly chartId: string | undefined;
    }
  /** The present state is complete; from here on things are told as they happen. */
  | { readonly type: 'edgeproxy.live' }
  | { readonly type: 'edgeproxy.gone'; readonly sessionId: string; readonly name: string }
  /** More happened than can be told: so much was left out, and the present state of every actor follows. */
  | { readonly type: 'edgeproxy.skipped'; readonly messages: number };

export type InspectionMessage = StatelyInspectionMessage | InspectionNote;
