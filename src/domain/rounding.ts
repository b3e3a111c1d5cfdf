/** Milliseconds to the microsecond, for people. */
export function microseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

/** Milliseconds as seconds, to the millisecond, for people. */
export function secondsOf(ms: number): number {
  return Math.round(ms) / 1000;
}
