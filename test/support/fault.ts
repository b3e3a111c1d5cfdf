/** The cells that a `faulty-data-thread` looks at: the error of the next connect for a client, and whether the next write fails. */
export const FAULT = { dial: 0, write: 1 } as const;

export const newFaults = (): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(8));
