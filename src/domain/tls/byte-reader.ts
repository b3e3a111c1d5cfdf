/** Thrown when a field goes on beyond the end of what holds it. */
export class TooShort extends Error {}

/** Reads the vectors of a TLS message, each with its length before it, one after the other. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** A whole number of so many bytes, 4 at most, the highest first. */
  number(byteCount: number): number {
    return this.bytes(byteCount).reduce((sum, byte) => sum * 256 + byte, 0);
  }

  /** A view of the next bytes. */
  bytes(byteCount: number): Uint8Array {
    if (byteCount > this.left) throw new TooShort();
    this.#at += byteCount;
    return this.#bytes.subarray(this.#at - byteCount, this.#at);
  }

  /** A vector whose length is a number of so many bytes. */
  vector(lengthBytes: number): ByteReader {
    return new ByteReader(this.bytes(this.number(lengthBytes)));
  }

  rest(): Uint8Array {
    return this.bytes(this.left);
  }
}
