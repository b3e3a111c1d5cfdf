/** Addresses of clients that a `mortal-data-thread` dies of: at once, or when they need a second backend. */
export const KILLERS = { atOnce: '127.0.0.66', late: '127.0.0.77' } as const;
