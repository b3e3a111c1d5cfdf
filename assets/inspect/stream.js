// @ts-check

/* oxlint-disable no-await-in-loop -- one attempt after the other, one piece after the other */

/** A daemon that says nothing for this long is gone: it sends a beat every 15 seconds. */
const SILENCE_MS = 40_000;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 10_000;

/**
 * @typedef {'connecting' | 'live' | 'waiting' | 'unauthorized' | 'refused'} StreamState
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

  /** @returns {Promise<string>} why it ended */
  async function attemptOnce() {
    const attempt = new AbortController();
    const secret = token();
    try {
      const response = await fetch(url, {
        headers: secret === '' ? {} : { authorization: `Bearer ${secret}` },
        signal: AbortSignal.any([attempt.signal, stopped.signal]),
        cache: 'no-store',
      });
      if (response.status === 401) {
        onState('unauthorized', {});
        stopped.abort();
        return '';
      }
      if (!response.ok) return `${response.status} ${(await response.text()).trim()}`;
      failures = 0;
      onState('live', {});
      await read(response, attempt);
      return 'the daemon ended the stream';
    } catch (thrown) {
      return thrown instanceof Error ? thrown.message : String(thrown);
    }
  }

  async function follow() {
    for (;;) {
      onState('connecting', {});
      const reason = await attemptOnce();
      if (stopped.signal.aborted) return;
      failures += 1;
      const retryMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1));
      onState('waiting', { retryMs, reason });
      await new Promise((resolve) => setTimeout(resolve, retryMs));
      if (stopped.signal.aborted) return;
    }
  }

  void follow();
  return () => stopped.abort();
}
