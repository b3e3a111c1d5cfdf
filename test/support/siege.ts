import * as fc from 'fast-check';
import { readAll, tcpConnect } from './sockets.ts';

export const MIB = 1_048_576;

/** What a client got that sent this and ended: the status lines, or nothing from a connection that was closed. */
export async function send(
  port: number,
  bytes: Uint8Array,
  { isCut = false } = {},
): Promise<readonly number[]> {
  const socket = await tcpConnect(port, '127.0.0.1', { allowHalfOpen: true });
  // Whoever sends more than is read may be reset before it has read the answer.
  const answer = readAll(socket).catch(() => Buffer.alloc(0));
  if (isCut) socket.end(bytes);
  else socket.write(bytes);
  const text = (await answer).toString('latin1');
  socket.destroy();
  return [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => Number(status));
}

/** A request line with these header fields. */
export const head = (fields: Readonly<Record<string, string>>, line: string): string =>
  [
    line,
    ...Object.entries({ host: 'localhost', connection: 'close', ...fields }).map(([k, v]) => `${k}: ${v}`),
  ]
    .join('\r\n')
    .concat('\r\n\r\n');

/** A request with a body of JSON, or what claims to be one. */
export const posted = (
  line: string,
  body: Uint8Array,
  fields: Readonly<Record<string, string>> = {},
): Uint8Array => {
  const own = { 'content-type': 'application/json', 'content-length': String(body.length) };
  return Buffer.concat([Buffer.from(head({ ...own, ...fields }, line)), body]);
};

export const isRefusal = (status: number): boolean => status >= 400 && status < 500;

/** Bodies of which none is what is expected: garbage, what was cut off, depth, wrong types. @param good one that is */
export function badBodies(good: object): fc.Arbitrary<Uint8Array> {
  const text = JSON.stringify(good);
  const wrong = Object.fromEntries(Object.keys(good).map((key) => [key, wrongValue]));
  return fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.uint8Array({ minLength: 65_000, maxLength: 70_000, size: 'max' }),
    fc.nat(text.length - 1).map((length) => Buffer.from(text.slice(0, length))),
    fc
      .tuple(fc.constantFrom('[', '{"a":', '[{"id":'), fc.integer({ min: 1, max: 60_000 }))
      .map(([open, depth]) => Buffer.from(open.repeat(depth).slice(0, 65_000))),
    fc.integer({ min: 1, max: 30_000 }).map((depth) => Buffer.from('['.repeat(depth) + ']'.repeat(depth))),
    fc.record(wrong).map((body) => Buffer.from(JSON.stringify(body))),
    fc
      .tuple(fc.constantFrom('__proto__', 'constructor', 'more'), fc.jsonValue())
      .map(([key, value]) => Buffer.from(JSON.stringify({ ...good, [`${key}_`]: value }))),
  );
}

const wrongValue = fc.oneof(
  fc.constantFrom(null, true, -1, 1e308, '', '\0', [], {}),
  fc.array(fc.jsonValue()),
  fc.dictionary(fc.string(), fc.jsonValue()),
);

/** Whatever may be taken for a request, or not. @param lines that may begin one */
export function anyRequests(lines: readonly string[]): fc.Arbitrary<Uint8Array> {
  const texts = fc.string({ unit: 'binary-ascii', maxLength: 30 });
  const requests = fc
    .tuple(
      fc.constantFrom(...lines),
      fc.dictionary(fc.stringMatching(/^[a-z-]{1,12}$/), texts, { maxKeys: 5 }),
      fc.uint8Array(),
    )
    .map(([line, fields, rest]) => Buffer.concat([Buffer.from(head(fields, line)), rest]));
  return fc.oneof(requests, fc.uint8Array({ maxLength: 500 }));
}
