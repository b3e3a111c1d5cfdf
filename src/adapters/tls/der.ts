/** What is needed of ASN.1's distinguished encoding (X.690) to write a certificate. */
const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

const LONG_FORM = 0x80;
const CONTINUES = 0x80;

export function tagged(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(contents);
  return Buffer.concat([Uint8Array.of(tag, ...lengthOf(content.length)), content]);
}

function lengthOf(length: number): readonly number[] {
  if (length < LONG_FORM) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff);
  return [LONG_FORM | bytes.length, ...bytes];
}

export const sequence = (...items: readonly Uint8Array[]): Uint8Array => tagged(TAG.sequence, ...items);
export const set = (...items: readonly Uint8Array[]): Uint8Array => tagged(TAG.set, ...items);
export const utf8 = (text: string): Uint8Array => tagged(TAG.utf8, Buffer.from(text));
export const octets = (content: Uint8Array): Uint8Array => tagged(TAG.octetString, content);
export const truth = (): Uint8Array => tagged(TAG.boolean, Uint8Array.of(0xff));
/** @param bytes big-endian, of a number above 0 */
export const integer = (bytes: Uint8Array): Uint8Array =>
  tagged(TAG.integer, ...(bytes[0]! >= 0x80 ? [Uint8Array.of(0)] : []), bytes);
export const bits = (content: Uint8Array): Uint8Array => tagged(TAG.bitString, Uint8Array.of(0), content);

/** Such as `2.5.4.3`. */
export function oid(dotted: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return tagged(TAG.oid, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

function base128(number: number): readonly number[] {
  const bytes = [number & 0x7f];
  for (let rest = number >>> 7; rest > 0; rest >>>= 7) bytes.unshift(CONTINUES | (rest & 0x7f));
  return bytes;
}

/** To the second. */
export function time(ms: number): Uint8Array {
  const text = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return tagged(TAG.generalizedTime, Buffer.from(text));
}
