/** What is read in one go. A read that fills it says that there is more. */
export const READ_BYTES = 65_536;

/** Views of buffers are kept up to this length: most messages are short, and of few lengths. */
const KEPT_VIEWS = 2_048;
const MOST_SPARE = 64;

/** A buffer, and views of its first bytes. */
interface Area {
  readonly buffer: Uint8Array;
  readonly views: (Uint8Array | undefined)[];
}

/**
 * The memory that sockets read into: one buffer for all of them, as what is read is written at once.
 *
 *     read ─► shared ─► copied to staging ─► written     the kernel takes it: nothing is kept
 *                                             └ or not: staging is lent until it does, another one takes its place
 *     read ─► a buffer of its own ─► written             bulk is spared the copy
 *
 * A write cannot be taken back: what the kernel does not take at once leaves later, from where it lies, and the shared
 * buffer is read into again before that.
 */
export class ReadMemory {
  readonly #shared = areaOf(new Uint8Array(READ_BYTES));
  #staging = areaOf(new Uint8Array(READ_BYTES));
  /** What was read into the shared buffer last. */
  #newest: Uint8Array | undefined;
  readonly #spare: Uint8Array[] = [];

  get shared(): Uint8Array {
    return this.#shared.buffer;
  }

  /** What has been read into the shared buffer. */
  sharedBytes(length: number): Uint8Array {
    return (this.#newest = firstOf(this.#shared, length));
  }

  isShared(bytes: Uint8Array): boolean {
    return bytes === this.#newest;
  }

  /** Copies bytes to where they may stay if they have to; valid until the next call. */
  stage(bytes: Uint8Array): Uint8Array {
    const copy = firstOf(this.#staging, bytes.length);
    copy.set(bytes);
    return copy;
  }

  /** Lends the buffer of the bytes that were staged last; to be given back. */
  lendStaged(): Uint8Array {
    const { buffer } = this.#staging;
    this.#staging = areaOf(this.take());
    return buffer;
  }

  /** A buffer for one socket alone; to be given back when nothing reads it or writes from it any more. */
  take(): Uint8Array {
    return this.#spare.pop() ?? new Uint8Array(READ_BYTES);
  }

  giveBack(buffer: Uint8Array): void {
    if (this.#spare.length < MOST_SPARE) this.#spare.push(buffer);
  }
}

function areaOf(buffer: Uint8Array): Area {
  return { buffer, views: [] };
}

function firstOf({ buffer, views }: Area, length: number): Uint8Array {
  if (length > KEPT_VIEWS) return buffer.subarray(0, length);
  return (views[length] ??= buffer.subarray(0, length));
}
