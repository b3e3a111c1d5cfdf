// @ts-check

import { createActorList } from './actor-list.js';
import { createChartPanel } from './chart.js';
import { byId, createTabs, write } from './dom.js';
import { createDrawings } from './drawings.js';
import { createEventLog, rowOf } from './events.js';
import { createStatelyPanel } from './stately.js';
import { contextText, stateText, Store } from './store.js';
import { followStream } from './stream.js';

const ANNOUNCE_MS = 1_000;
const FILTER_PAUSE_MS = 250;
const TOKEN_KEY = 'edgeproxy-admin-token';
/** What a header carries after `Bearer`: visible characters of Latin-1. */
const SENDABLE = /^[\u0021-\u007E\u00A1-\u00FF]+$/;
const UNSENDABLE = 'That cannot be the token: it has a space or a character in it that no header can carry.';
const REFUSED =
  'That token was refused; it is in EDGEPROXY_ADMIN_TOKEN or in the file that the daemon logged.';
/** Where the list stands above the chart. */
const NARROW = matchMedia('(max-width: 680px)');

const store = new Store();
const token = () => sessionStorage.getItem(TOKEN_KEY) ?? '';
const drawings = createDrawings(token, requestDraw);
const log = createEventLog(byId('events'));
const inspectorUrl = document.querySelector('meta[name="inspector-url"]')?.getAttribute('content') ?? '';

let chosenName = '';
let chosenId = '';
let isFrameAsked = false;
/** Between a new connection and the end of the present state; what was drawn before stays meanwhile. */
let isIncomplete = true;
/** The connection was never lost since it was live: what was drawn and handed over is still good. */
let isSameDaemon = false;
let isPatternNew = false;
let announcedMs = -Infinity;
let stopStream = () => {};

const showTab = createTabs(['chart', ...(inspectorUrl === '' ? [] : ['stately'])]);
byId('tab-stately').hidden = inspectorUrl === '';
const stately =
  inspectorUrl === ''
    ? undefined
    : createStatelyPanel({
        url: new URL(inspectorUrl),
        replay: () => store.replay(),
        onBack: () => showTab('chart'),
      });

const chart = createChartPanel(() => {
  drawings.forget(store.actors.get(chosenId)?.chartId ?? '');
  requestDraw();
});

const list = createActorList(byId('actors'), (sessionId, isGoing) => {
  chosenId = sessionId;
  chosenName = store.actors.get(sessionId)?.name ?? '';
  requestDraw();
  if (isGoing && NARROW.matches) byId('stage').scrollIntoView({ block: 'start' });
});

function requestDraw() {
  if (isFrameAsked) return;
  isFrameAsked = true;
  requestAnimationFrame(() => {
    isFrameAsked = false;
    if (!isIncomplete) draw();
  });
}

/** @param {import('./store.js').Actor | undefined} actor */
function drawingOf(actor) {
  if (actor === undefined) return { reason: 'No actor matches.', isFinal: true };
  if (actor.chartId === undefined) return { reason: 'This actor runs no statechart.', isFinal: true };
  return drawings.of(actor.chartId);
}

function drawChosen() {
  const actor = store.actors.get(chosenId);
  write(byId('actor-name'), actor?.name ?? 'No actor');
  write(
    byId('actor-state'),
    actor === undefined ? '' : stateText(actor.snapshot.value) || actor.snapshot.status,
  );
  write(byId('context'), contextText(actor?.snapshot));
  chart.show(drawingOf(actor), actor);
}

function draw() {
  const actors = store.sorted();
  if (!store.actors.has(chosenId)) {
    // A daemon that has started anew, or an actor that was replaced: the same name is the same choice.
    const choice = actors.find(({ name }) => name === chosenName) ?? actors[0];
    chosenId = choice?.sessionId ?? '';
    chosenName = choice?.name ?? chosenName;
  }
  list.draw(actors, chosenId);
  const { matched, leftOut } = store.scope;
  write(
    byId('scope'),
    leftOut === 0
      ? `${matched} ${matched === 1 ? 'actor' : 'actors'}`
      : `${actors.length} of ${matched} actors; ${leftOut} left out, narrow the filter`,
  );
  log.only(byId('only-chosen').checked ? chosenName : '');
  log.draw();
  drawChosen();
}

/** @param {string} text */
function announce(text) {
  if (performance.now() - announcedMs < ANNOUNCE_MS) return;
  announcedMs = performance.now();
  byId('announcer').textContent = text;
}

/** @param {any} message */
function onMessage(message) {
  const actor = store.take(message);
  if (message.type === 'edgeproxy.live') {
    isIncomplete = false;
    if (isPatternNew) log.keep(new Set([...store.actors.values()].map(({ name }) => name)));
    isPatternNew = false;
  }
  const row = rowOf(message, actor);
  if (row !== undefined) log.add(row);
  if (row?.kind === 'change' && actor?.sessionId === chosenId) announce(`${row.name} is ${row.to}`);
  if (message.type.startsWith('@xstate.')) stately?.send(message);
  requestDraw();
}

/** @param {import('./stream.js').StreamState} state @param {{ retryMs?: number, reason?: string }} detail */
function onState(state, { retryMs = 0, reason = '' }) {
  const again = `Trying again in ${Math.max(1, Math.round(retryMs / 1_000))} s`;
  const texts = {
    connecting: 'Connecting',
    live: 'Live',
    waiting: `Connection lost. ${again}`,
    refused: `Refused. ${again}`,
    unauthorized: 'Not connected',
  };
  const pill = byId('connection');
  // An attempt between two waits changes nothing: what changes is read out.
  if (state === 'connecting' && ['waiting', 'refused'].includes(pill.dataset.state)) return;
  write(pill, texts[state]);
  pill.dataset.state = state;
  if (state === 'connecting') return;
  const isRetrying = state === 'waiting' || state === 'refused';
  byId('notice').hidden = !isRetrying;
  byId('token-form').hidden = state !== 'unauthorized';
  document.body.classList.toggle('stale', state !== 'live');
  if (isRetrying) {
    const why = state === 'refused' ? 'The daemon refuses' : 'The daemon does not answer';
    write(
      byId('notice-text'),
      state === 'refused' ? `${why}: ${reason}.` : `${why} (${reason}). What you see is what was known last.`,
    );
  }
  if (state === 'unauthorized') askForToken();
  if (state === 'live') beginAnew();
  else isSameDaemon = false;
}

function beginAnew() {
  if (!isSameDaemon) {
    drawings.clear();
    stately?.reset();
  }
  isSameDaemon = true;
  store.clear();
  isIncomplete = true;
  requestDraw();
}

function connect() {
  stopStream();
  const pattern = byId('filter').value.trim();
  stopStream = followStream({
    url: `/inspect/events?pattern=${encodeURIComponent(pattern)}`,
    token,
    onMessage,
    onState,
  });
}

/** @param {string} text */
function tellToken(text) {
  write(byId('token-error'), text);
  byId('token').setAttribute('aria-invalid', String(text !== ''));
}

function askForToken() {
  if (token() !== '') tellToken(REFUSED);
  sessionStorage.removeItem(TOKEN_KEY);
  byId('token').focus();
}

/** @param {string} text @returns {boolean} whether it can be one */
function useToken(text) {
  const isSendable = SENDABLE.test(text);
  if (isSendable) sessionStorage.setItem(TOKEN_KEY, text);
  tellToken(isSendable ? '' : UNSENDABLE);
  return isSendable;
}

/** The address says what to look at, and may bring the token; also when it changes while the page is open. */
function followAddress() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  if (fragment.has('token')) {
    // A plus comes out of a fragment as a space, which no token has.
    useToken((fragment.get('token') ?? '').trim().replaceAll(' ', '+'));
    // Neither in the history nor in a link that is passed on.
    fragment.delete('token');
    history.replaceState(null, '', `${location.pathname}${fragment.size === 0 ? '' : `#${fragment}`}`);
  }
  clearTimeout(filtering);
  byId('filter').value = fragment.get('pattern') ?? '';
  isPatternNew = true;
  connect();
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let filtering;
byId('filter').addEventListener('input', () => {
  clearTimeout(filtering);
  filtering = setTimeout(() => {
    const pattern = byId('filter').value.trim();
    history.replaceState(
      null,
      '',
      pattern === '' ? location.pathname : `#pattern=${encodeURIComponent(pattern)}`,
    );
    isPatternNew = true;
    connect();
  }, FILTER_PAUSE_MS);
});
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.target instanceof HTMLInputElement) return;
  event.preventDefault();
  byId('filter').focus();
});
byId('only-chosen').addEventListener('change', requestDraw);
byId('notice-retry').addEventListener('click', connect);
byId('token-form').addEventListener('submit', (/** @type {Event} */ event) => {
  event.preventDefault();
  if (!useToken(byId('token').value.trim())) return;
  byId('token').value = '';
  connect();
});

window.addEventListener('hashchange', followAddress);
followAddress();
