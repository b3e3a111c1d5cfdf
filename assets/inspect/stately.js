// @ts-check

import { byId, write } from './dom.js';

const ANSWER_MS = 8_000;

/** @param {string} url */
function createFrame(url) {
  const frame = document.createElement('iframe');
  frame.title = 'Stately inspector';
  frame.setAttribute('sandbox', 'allow-scripts allow-same-origin allow-forms allow-popups');
  frame.referrerPolicy = 'no-referrer';
  frame.className = 'unready';
  frame.src = url;
  return frame;
}

/**
 * What the frame is told of a message: an inspector that knows the actor needs its state, not the actor once more.
 *
 * @param {any} message
 * @param {Set<string>} told the sessions of the actors that it knows
 */
function forTold(message, told) {
  if (message.type !== '@xstate.actor') return message;
  const { name: _name, parentId: _parentId, definition: _definition, ...rest } = message;
  if (told.has(message.sessionId)) {
    return { ...rest, type: '@xstate.snapshot', event: { type: 'edgeproxy.skipped' } };
  }
  told.add(message.sessionId);
  return message;
}

/**
 * The panel of the Stately inspector. Nothing is loaded before somebody says so in the panel; nothing is handed over
 * before the inspector has asked for it, from its own window and its own origin.
 *
 * @param {object} options
 * @param {URL} options.url
 * @param {() => any[]} options.replay everything so far
 * @param {() => void} options.onBack somebody wants to see the chart
 */
export function createStatelyPanel({ url, replay, onBack }) {
  const [panel, load] = [byId('panel-stately'), byId('stately-load')];
  /** @type {HTMLIFrameElement | undefined} */
  let frame;
  let isConnected = false;
  let told = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;

  /** @param {string} text @param {string} [action] what the button is for; no button without */
  function ask(text, action) {
    byId('stately-ask').hidden = text === '';
    write(byId('stately-status'), text);
    load.hidden = action === undefined;
    write(load, action ?? '');
  }

  /** @param {any} message */
  const post = (message) => frame?.contentWindow?.postMessage(forTold(message, told), url.origin);

  window.addEventListener('message', ({ origin, source, data }) => {
    if (frame === undefined || origin !== url.origin || source !== frame.contentWindow) return;
    if (data?.type !== '@statelyai.connected') return;
    isConnected = true;
    told = new Set();
    clearTimeout(waiting);
    frame.className = '';
    ask('');
    for (const message of replay()) post(message);
  });

  function open() {
    isConnected = false;
    ask(`Loading ${url.href} …`);
    clearTimeout(waiting);
    waiting = setTimeout(
      () => ask(`${url.href} does not answer. It needs the internet; the chart does not.`, 'Try again'),
      ANSWER_MS,
    );
    frame?.remove();
    frame = createFrame(url.href);
    panel.append(frame);
  }

  load.addEventListener('click', () => {
    open();
    // The button is gone now.
    panel.focus();
  });
  byId('stately-back').addEventListener('click', onBack);
  ask(
    `Loading it hands the machines, states, events and contexts of the listed actors to a page of ${url.host}, which runs in this browser.`,
    `Load ${url.host}`,
  );

  return {
    /** Everything known is void: an inspector that was loaded begins anew. */
    reset() {
      if (frame !== undefined) open();
    },
    /** @param {any} message */
    send(message) {
      if (isConnected) post(message);
    },
  };
}
