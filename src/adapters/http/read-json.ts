import { messageOf } from '../../errors.ts';
import type { GuardedContext } from './guarded-app.ts';

/** 64 KiB. */
export const MAX_BODY_BYTES = 65_536;

export type ReadBody =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly status: 400 | 413 | 415; readonly problem: string };

/** The body as it came; `undefined` when it is larger than it may be. The rest of such a body is not read. */
export async function readBytes({ env: { incoming }, req }: GuardedContext): Promise<Buffer | undefined> {
  if (Number(req.header('content-length') ?? 0) > MAX_BODY_BYTES) return undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length;
    if (size > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

/** Reads a body of JSON in UTF-8, of at most `MAX_BODY_BYTES`. Rejects when the client leaves before its end. */
export async function readJson(context: GuardedContext): Promise<ReadBody> {
  const type = context.req.header('content-type') ?? '';
  if (!/^application\/json *(;|$)/i.test(type)) {
    return { ok: false, status: 415, problem: 'expected a body with Content-Type: application/json' };
  }
  const bytes = await readBytes(context);
  if (bytes === undefined) {
    return { ok: false, status: 413, problem: `expected a body of at most ${MAX_BODY_BYTES} bytes` };
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return { ok: true, value: JSON.parse(text) };
  } catch (thrown) {
    return { ok: false, status: 400, problem: `the body is not JSON in UTF-8: ${messageOf(thrown)}` };
  }
}
