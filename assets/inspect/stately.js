// @ts-check

const ANSWER_MS = 8_000;

/**
 * Hands messages to the Stately inspector in its frame. Nothing is loaded before `open()`; nothing is handed over
 * before the inspector has asked for it, from its own window and its own origin.
 *
 * @param {object} options
 * @param {HTMLIFrameElement} options.frame
 * @param {URL} options.url
 * @param {() => any[]} options.replay everything so far
 * @param {(text: string) => void} options.onStatus
 */
export function createStatelyBridge({ frame, url, replay, onStatus }) {
  let isOpen = false;
  let isConnected = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;

  /** @param {any} message */
  const post = (message) => frame.contentWindow?.postMessage(message, url.origin);

  window.addEventListener('message', ({ origin, source, data }) => {
    if (origin !== url.origin || source !== frame.contentWindow) return;
    if (data?.type !== '@statelyai.connected') return;
    isConnected = true;
    clearTimeout(waiting);
    onStatus('');
    for (const message of replay()) post(message);
  });

  function load() {
    isConnected = false;
    onStatus(`Loading ${url.href}. That page is told what you see here.`);
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      onStatus(`${url.href} does not answer. It needs the internet; the chart in the first tab does not.`);
    }, ANSWER_MS);
    frame.src = url.href;
  }

  return {
    open() {
      if (isOpen) return;
      isOpen = true;
      load();
    },
    /** Everything known is void: the inspector begins anew. */
    reset() {
      if (isOpen) load();
    },
    /** @param {any} message */
    send(message) {
      if (isConnected) post(message);
    },
  };
}
