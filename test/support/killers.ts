/**
 * Addresses of clients that a `mortal-data-thread` dies of: at once, with the lock of the first set of buckets in hand,
 * or when they need a second backend.
 */
export const KILLERS = { atOnce: '127.0.0.66', withLock: '127.0.0.70', late: '127.0.0.77' } as const;
