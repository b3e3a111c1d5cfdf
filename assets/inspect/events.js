// @ts-check

import { part } from './dom.js';
import { eventText, stateText } from './store.js';

/** @import { Actor } from './store.js' */

const MAX_ROWS = 200;

/** @typedef {{ atMs: number, name: string, text: string, to: string, kind: 'event' | 'change' | 'note' }} LogRow */

/**
 * The row that a message is worth; `undefined` for none.
 *
 * @param {any} message
 * @param {Actor | undefined} actor that it is about, as it is now
 * @returns {LogRow | undefined}
 */
export function rowOf(message, actor) {
  const atMs = Number(message.createdAt ?? Date.now());
  if (message.type === 'edgeproxy.skipped') {
    const text = `${message.messages} messages left out: more happened than can be shown`;
    return { atMs, name: '', text, to: '', kind: 'note' };
  }
  if (message.type === 'edgeproxy.gone') {
    return { atMs, name: message.name, text: 'gone', to: '', kind: 'note' };
  }
  if (message.type !== '@xstate.snapshot' || actor === undefined) return undefined;
  if (message.event.type === 'edgeproxy.skipped') return undefined;
  const [from, to] = [stateText(actor.before), stateText(actor.snapshot.value)];
  const text = eventText(message.event.type);
  return from === to
    ? { atMs, name: actor.name, text, to: '', kind: 'event' }
    : { atMs, name: actor.name, text, to, kind: 'change' };
}

/** @param {number} atMs */
function clockText(atMs) {
  const at = new Date(atMs);
  return `${at.toLocaleTimeString('en-GB')}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}

/** @param {LogRow} row */
function drawRow({ atMs, name, text, to, kind }) {
  const item = document.createElement('li');
  item.className = kind;
  item.dataset.name = name;
  item.append(part('at', clockText(atMs)), part('who', name), part('what', text));
  if (to !== '') item.append(part('to', `→ ${to}`));
  return item;
}

/**
 * The log of events, the newest first; rows of a burst beyond what the list holds are never drawn.
 *
 * @param {HTMLElement} list
 */
export function createEventLog(list) {
  /** @type {LogRow[]} */
  let rows = [];
  /** @type {LogRow[]} */
  let fresh = [];
  let onlyName = '';

  /** @param {LogRow} row */
  const isShown = ({ name, kind }) => onlyName === '' || name === onlyName || kind === 'note';

  return {
    /** @param {LogRow} row */
    add(row) {
      fresh.push(row);
      if (fresh.length > MAX_ROWS) fresh.shift();
    },
    draw() {
      if (fresh.length === 0) return;
      const drawn = fresh.toReversed();
      fresh = [];
      rows = [...drawn, ...rows].slice(0, MAX_ROWS);
      list.prepend(...drawn.filter(isShown).map(drawRow));
      while (list.childElementCount > MAX_ROWS) list.lastElementChild?.remove();
    },
    /** @param {string} name shows this actor alone; empty for all */
    only(name) {
      if (name === onlyName) return;
      onlyName = name;
      list.replaceChildren(...rows.filter(isShown).map(drawRow));
    },
    /** @param {ReadonlySet<string>} names drops the rows of all other actors */
    keep(names) {
      /** @param {LogRow} row */
      const isKept = ({ name }) => name === '' || names.has(name);
      fresh = fresh.filter(isKept);
      rows = rows.filter(isKept);
      list.replaceChildren(...rows.filter(isShown).map(drawRow));
    },
  };
}
