import type { Batch } from './batch.ts';
import type { Handles } from './handles.ts';
import type { ReadMemory } from './read-memory.ts';

/** What all wires of an engine share. */
export interface WireContext {
  readonly handles: Handles;
  readonly memory: ReadMemory;
  readonly batch: Batch;
}
