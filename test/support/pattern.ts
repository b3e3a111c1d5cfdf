/** A prime, so that nothing lost, doubled or out of order goes unseen however a stream is cut into reads. */
const PERIOD = 65_521;
const LONGEST = 1_048_576;

/** Far apart for neighbouring keys: bytes of another stream never look right. */
const KEY_STRIDE = 40_503;

const BYTES = Buffer.alloc(PERIOD + LONGEST);
let state = 1;
for (let at = 0; at < PERIOD; at++) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  BYTES[at] = state >>> 24;
}
for (let at = PERIOD; at < BYTES.length; at += PERIOD) BYTES.copy(BYTES, at, 0, PERIOD);

/** The bytes of a stream from a position on; many at a time, each a view of the same memory. */
export function* patternOf(key: number, at: number, length: number): Generator<Buffer> {
  for (let done = 0; done < length; done += LONGEST) {
    const start = startOf(key, at + done);
    yield BYTES.subarray(start, start + Math.min(LONGEST, length - done));
  }
}

/** Whether these are the bytes of the stream at this position. A chunk of a socket is never longer than `LONGEST`. */
export function isPattern(key: number, at: number, chunk: Buffer): boolean {
  const start = startOf(key, at);
  return chunk.equals(BYTES.subarray(start, start + chunk.length));
}

function startOf(key: number, at: number): number {
  return (key * KEY_STRIDE + at) % PERIOD;
}
