// @ts-check

/* oxlint-disable no-await-in-loop -- one attempt after the other, one piece after the other */

/** A daemon that says nothing for this long is gone: it sends a beat every 15 seconds. */
const SILENCE_MS = 40_000;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 10_000;
/** Longer than anybody wants to wait, and short enough for a timer. */
const MAX_RETRY_AFTER_MS = 600_000;
const MAX_SENTENCE = 200;

/**
 * `waiting`: the daemon cannot be reached. `refused`: it can, and does not want to tell. `unauthorized`: it asks for
 * its token, or for another one; no further attempt is made.
 *
 * @typedef {'connecting' | 'live' | 'waiting' | 'refused' | 'unauthorized'} StreamState
 *
 * @typedef {object} StreamOptions
 * @property {string} url
 * @property {() => string} token an empty string for none
 * @property {(message: any) => void} onMessage
 * @property {(state: StreamState, detail: { retryMs?: number, reason?: string }) => void} onState
 */

/**
 * Splits what comes in into the data of server-sent events; returns what belongs to the next one.
 *
 * @param {string} text
 * @param {(data: string) => void} onData
 */
export function takeEvents(text, onData) {
  const events = text.split('\n\n');
  const rest = events.pop() ?? '';
  for (const event of events) {
    const data = event
      .split('\n')
      .filter((line) => line.startsWith('data:'))
      .map((line) => line.slice(5).trimStart())
      .join('\n');
    if (data !== '') onData(data);
  }
  return rest;
}

/**
 * What a refusal says, with its status. A page of somebody between us and the daemon is no sentence.
 *
 * @param {Response} response
 */
export async function sentenceOf(response) {
  const isText = response.headers.get('content-type')?.startsWith('text/plain') ?? false;
  const [said = ''] = isText ? (await response.text()).trim().split('\n') : [];
  const sentence = (said || response.statusText || 'no reason given').slice(0, MAX_SENTENCE);
  return `${sentence.replace(/\.$/, '')} (${response.status})`;
}

/**
 * @param {Response} response
 * @returns {number | undefined} how long it asks to wait; `undefined` when it does not say
 */
function retryAfterMs(response) {
  const header = response.headers.get('retry-after');
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.min(MAX_RETRY_AFTER_MS, Math.max(FIRST_RETRY_MS, ms));
}

/**
 * Reads server-sent events by fetch (an EventSource cannot send a token), and begins again for ever when they end.
 *
 * @param {StreamOptions} options
 * @returns {() => void} stops it
 */
export function followStream({ url, token, onMessage, onState }) {
  const stopped = new AbortController();
  let failures = 0;

  /** @param {Response} response @param {AbortController} attempt */
  async function read(response, attempt) {
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    const decoder = new TextDecoder();
    let rest = '';
    for (;;) {
      const silence = setTimeout(() => attempt.abort(new Error('the daemon is silent')), SILENCE_MS);
      const { done, value } = await reader.read().finally(() => clearTimeout(silence));
      if (done) return;
      rest = takeEvents(rest + decoder.decode(value, { stream: true }), (data) =>
        onMessage(JSON.parse(data)),
      );
    }
  }

  /** @returns {Promise<{ state: StreamState, reason: string, retryMs?: number | undefined }>} how it ended */
  async function attemptOnce() {
    const attempt = new AbortController();
    const secret = token();
    try {
      const response = await fetch(url, {
        headers: secret === '' ? {} : { authorization: `Bearer ${secret}` },
        signal: AbortSignal.any([attempt.signal, stopped.signal]),
        cache: 'no-store',
      });
      if (response.status === 401) return { state: 'unauthorized', reason: '' };
      if (!response.ok) {
        return { state: 'refused', reason: await sentenceOf(response), retryMs: retryAfterMs(response) };
      }
      failures = 0;
      onState('live', {});
      await read(response, attempt);
      return { state: 'waiting', reason: 'the daemon ended the stream' };
    } catch (thrown) {
      return { state: 'waiting', reason: thrown instanceof Error ? thrown.message : String(thrown) };
    }
  }

  async function follow() {
    for (;;) {
      onState('connecting', {});
      const { state, reason, retryMs: askedMs } = await attemptOnce();
      if (stopped.signal.aborted) return;
      if (state === 'unauthorized') return onState(state, {});
      failures += 1;
      const retryMs = askedMs ?? Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1));
      onState(state, { retryMs, reason });
      await new Promise((resolve) => setTimeout(resolve, retryMs));
      if (stopped.signal.aborted) return;
    }
  }

  void follow();
  return () => stopped.abort();
}
