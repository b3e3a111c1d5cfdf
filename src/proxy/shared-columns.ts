/** How many backends may have live connections or series at one time. */
export const MAX_SLOTS = 65_536;

/** A column of whole numbers in shared memory; pages that are never touched cost nothing. */
export function sharedInts(length: number): Int32Array<SharedArrayBuffer> {
  return new Int32Array(new SharedArrayBuffer(length * Int32Array.BYTES_PER_ELEMENT));
}

/** A column of numbers in shared memory. */
export function sharedNumbers(length: number): Float64Array<SharedArrayBuffer> {
  return new Float64Array(new SharedArrayBuffer(length * Float64Array.BYTES_PER_ELEMENT));
}
