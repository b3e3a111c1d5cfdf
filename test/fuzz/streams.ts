import { isPattern, patternOf } from '../support/pattern.ts';

const MAGIC = 0xed9e_0042;
const HEADER_BYTES = 8;

/** What one peer sends: a header with the key of its pattern, then the pattern. */
export class Outgoing {
  readonly key: number;
  /** Header included. */
  sent = 0;
  hasSentFin = false;
  /** It was closed in a way that may leave out what was sent last, and send a FIN nevertheless. */
  isCut = false;
  /** What is sent in return, once the other side has seen this one. */
  answer: Outgoing | undefined;

  constructor(key: number) {
    this.key = key;
  }

  /** The next bytes of it. */
  *take(length: number): Generator<Buffer> {
    if (this.sent === 0) {
      const header = Buffer.alloc(HEADER_BYTES);
      header.writeUInt32BE(MAGIC);
      header.writeUInt32BE(this.key, 4);
      this.sent = HEADER_BYTES;
      yield header;
    }
    for (const piece of patternOf(this.key, this.sent - HEADER_BYTES, length)) {
      this.sent += piece.length;
      yield piece;
    }
  }
}

/** All streams of a round, and what was wrong with any. */
export class Streams {
  readonly #outgoing = new Map<number, Outgoing>();
  readonly findings: string[] = [];
  bytes = 0;
  #lastKey = 0;

  open(): Outgoing {
    const stream = new Outgoing(++this.#lastKey);
    this.#outgoing.set(stream.key, stream);
    return stream;
  }

  get(key: number): Outgoing | undefined {
    return this.#outgoing.get(key);
  }

  /** Nobody will receive anything of it any more. */
  forget({ key }: Outgoing): void {
    this.#outgoing.delete(key);
  }

  found(text: string): void {
    this.findings.push(text);
  }
}

/** What one peer receives: whose stream it is shows in its header, and every byte behind it is checked. */
export class Incoming {
  readonly #streams: Streams;
  readonly #own: Outgoing;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #source: Outgoing | undefined;
  #isWrong = false;
  received = 0;

  constructor(streams: Streams, own: Outgoing) {
    this.#streams = streams;
    this.#own = own;
  }

  take(chunk: Buffer): void {
    this.#streams.bytes += chunk.length;
    const ofHeader = Math.min(chunk.length, Math.max(0, HEADER_BYTES - this.received));
    chunk.copy(this.#header, this.received, 0, ofHeader);
    const at = this.received + ofHeader - HEADER_BYTES;
    this.received += chunk.length;
    if (this.received < HEADER_BYTES || this.#isWrong) return;
    if (this.#source === undefined) this.#readHeader();
    if (this.#source === undefined) return this.#wrong('a stream that nobody sends');
    if (this.received > this.#source.sent) return this.#wrong('more bytes than were sent');
    const isRight = isPattern(this.#source.key, at, chunk.subarray(ofHeader));
    if (!isRight) this.#wrong(`a wrong byte behind ${at}`);
  }

  /** A FIN has come: never before the last byte, and never where nobody has sent one. */
  ended(): void {
    // One who was sent nothing may have been refused; not when the other side has heard of it.
    const source = this.#source ?? this.#own.answer;
    if (source === undefined || source.isCut) return;
    if (!source.hasSentFin) this.#wrong('a FIN that nobody sent');
    else if (this.received !== source.sent)
      this.#wrong(`a FIN after ${this.received} of ${source.sent} bytes`);
  }

  #readHeader(): void {
    if (this.#header.readUInt32BE(0) !== MAGIC) return;
    this.#source = this.#streams.get(this.#header.readUInt32BE(4));
    if (this.#source !== undefined) this.#source.answer = this.#own;
  }

  #wrong(text: string): void {
    if (!this.#isWrong)
      this.#streams.found(`${text}, in stream ${this.#source?.key ?? this.#own.answer?.key}`);
    this.#isWrong = true;
  }
}
