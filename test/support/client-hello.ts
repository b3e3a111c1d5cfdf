/** TLS greetings, made byte by byte: right ones, and wrong ones where a test wants a part to be. */

const number = (value: number, byteCount: number): Buffer => {
  const bytes = Buffer.alloc(byteCount);
  bytes.writeUIntBE(value, 0, byteCount);
  return bytes;
};

/** A vector: its length in so many bytes, and its content. */
export function vector(lengthBytes: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([number(content.length, lengthBytes), content]);
}

export interface Extension {
  readonly type: number;
  readonly data: Uint8Array;
}

export function serverNameOf(...names: readonly string[]): Extension {
  const entries = names.map((name) => Buffer.concat([number(0, 1), vector(2, Buffer.from(name, 'latin1'))]));
  return { type: 0, data: vector(2, ...entries) };
}

export function alpnOf(...protocols: readonly string[]): Extension {
  return { type: 16, data: vector(2, ...protocols.map((name) => vector(1, Buffer.from(name, 'latin1')))) };
}

/** The message without its records. */
export function helloMessage(
  extensions: readonly Extension[],
  { type = 1, trailing = Buffer.alloc(0) }: { readonly type?: number; readonly trailing?: Uint8Array } = {},
): Buffer {
  const list = extensions.map((one) => Buffer.concat([number(one.type, 2), vector(2, one.data)]));
  const body = [
    number(0x0303, 2),
    Buffer.alloc(32, 7),
    vector(1, Buffer.alloc(32, 1)),
    vector(2, Buffer.from([0x13, 0x01, 0x13, 0x02])),
    vector(1, Buffer.from([0])),
    vector(2, ...list),
    trailing,
  ];
  return Buffer.concat([number(type, 1), vector(3, ...body)]);
}

/** A record of a handshake, or of another kind. */
export function recordOf(fragment: Uint8Array, type = 22): Buffer {
  return Buffer.concat([number(type, 1), number(0x0301, 2), vector(2, fragment)]);
}

/** The message in records that end at these places, and at its end. */
export function recordsOf(message: Uint8Array, cuts: readonly number[] = []): Buffer {
  const ends = [...new Set([...cuts.filter((cut) => cut > 0 && cut < message.length), message.length])];
  ends.sort((a, b) => a - b);
  return Buffer.concat(ends.map((end, index) => recordOf(message.subarray(ends[index - 1] ?? 0, end))));
}
