/** What the cell says that a `held-data-thread` looks at. */
export const HOLD = { none: 0, wanted: 1, held: 2 } as const;
