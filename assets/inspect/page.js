// @ts-check

import { createActorList } from './actor-list.js';
import { lightChart, showChart } from './chart.js';
import { createDrawings } from './drawings.js';
import { createEventLog } from './events.js';
import { createStatelyBridge } from './stately.js';
import { eventText, stateText, Store } from './store.js';
import { followStream } from './stream.js';

const ANNOUNCE_MS = 1_000;
const FILTER_PAUSE_MS = 250;
const TOKEN_KEY = 'edgeproxy-admin-token';

/** @param {string} id @returns {any} */
const byId = (id) => document.getElementById(id);

const store = new Store();
const token = () => sessionStorage.getItem(TOKEN_KEY) ?? '';
const drawings = createDrawings(token, requestDraw);
const log = createEventLog(byId('events'));
const inspectorUrl = document.querySelector('meta[name="inspector-url"]')?.getAttribute('content') ?? '';

let chosenName = '';
let chosenId = '';
let shownId = '';
/** @type {import('./drawings.js').Drawing | undefined} */
let drawn;
let isFrameAsked = false;
/** Between a new connection and the end of the present state; what was drawn before stays meanwhile. */
let isIncomplete = true;
let announcedMs = 0;
let stopStream = () => {};

const fragment = new URLSearchParams(location.hash.slice(1));
if (fragment.has('token')) {
  sessionStorage.setItem(TOKEN_KEY, fragment.get('token') ?? '');
  // Neither in the history nor in a link that is passed on.
  fragment.delete('token');
  history.replaceState(null, '', `${location.pathname}${fragment.size === 0 ? '' : `#${fragment}`}`);
}

const stately =
  inspectorUrl === ''
    ? undefined
    : createStatelyBridge({
        frame: byId('stately'),
        url: new URL(inspectorUrl),
        replay: () => store.replay(),
        onStatus(text) {
          byId('stately-status').textContent = text;
        },
      });
if (stately === undefined) byId('tab-stately').hidden = true;

const list = createActorList(byId('actors'), (sessionId) => {
  chosenId = sessionId;
  chosenName = store.actors.get(sessionId)?.name ?? '';
  requestDraw();
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
  if (actor === undefined) return 'No actor matches.';
  return actor.chartId === undefined ? 'This actor runs no statechart.' : drawings.of(actor.chartId);
}

function drawChosen() {
  const actor = store.actors.get(chosenId);
  byId('actor-name').textContent = actor?.name ?? 'No actor';
  byId('actor-state').textContent =
    actor === undefined ? '' : stateText(actor.snapshot.value) || actor.snapshot.status;
  const { context, output, error } = actor?.snapshot ?? {};
  const told = {
    ...context,
    ...(output === undefined ? {} : { output }),
    ...(error === undefined ? {} : { error }),
  };
  const text = Object.keys(told).length === 0 ? 'Nothing' : JSON.stringify(told, null, 2);
  if (byId('context').textContent !== text) byId('context').textContent = text;
  const drawing = drawingOf(actor);
  const isThere = typeof drawing !== 'string';
  byId('chart').hidden = !isThere;
  byId('chart-empty').hidden = isThere;
  if (!isThere) byId('chart-empty').textContent = drawing;
  if (!isThere || actor === undefined) return;
  if (drawn !== drawing) showChart(byId('chart'), drawing.svg);
  drawn = drawing;
  lightChart(byId('chart'), drawing.transitions, actor);
  if (shownId === chosenId) return;
  shownId = chosenId;
  document.querySelector('#chart .node.active')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
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
  byId('scope').textContent =
    leftOut === 0
      ? `${matched} ${matched === 1 ? 'actor' : 'actors'}`
      : `${actors.length} of ${matched} actors; ${leftOut} left out, narrow the filter`;
  log.only(byId('only-chosen').checked ? chosenName : '');
  log.draw();
  drawChosen();
}

/** @param {any} message @param {import('./store.js').Actor | undefined} actor */
function note(message, actor) {
  const atMs = Number(message.createdAt ?? Date.now());
  if (message.type === 'edgeproxy.skipped') {
    const text = `${message.messages} messages left out: more happened than can be shown`;
    log.add({ atMs, name: '', text, to: '', kind: 'note' });
  } else if (message.type === 'edgeproxy.gone') {
    log.add({ atMs, name: message.name, text: 'gone', to: '', kind: 'note' });
  } else if (message.type === '@xstate.snapshot' && actor !== undefined) {
    if (message.event.type === 'edgeproxy.skipped') return;
    const [from, to] = [stateText(actor.before), stateText(actor.snapshot.value)];
    const kind = from === to ? 'event' : 'change';
    const text = eventText(message.event.type);
    log.add({ atMs, name: actor.name, text, to: from === to ? '' : to, kind });
    if (kind === 'change' && actor.sessionId === chosenId) announce(`${actor.name} is ${to}`);
  }
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
  if (message.type === 'edgeproxy.live') isIncomplete = false;
  note(message, actor);
  if (message.type.startsWith('@xstate.')) stately?.send(message);
  requestDraw();
}

/** @param {import('./stream.js').StreamState} state @param {{ retryMs?: number, reason?: string }} detail */
function onState(state, { retryMs = 0, reason = '' }) {
  const seconds = Math.max(1, Math.round(retryMs / 1_000));
  const texts = {
    connecting: 'Connecting',
    live: 'Live',
    waiting: `Connection lost. Trying again in ${seconds} s`,
    unauthorized: 'Not connected',
    refused: 'Refused',
  };
  const pill = byId('connection');
  // A change of words alone is announced; an attempt between two waits is not.
  if (state !== 'connecting' || pill.dataset.state !== 'waiting') pill.textContent = texts[state];
  if (state !== 'connecting') pill.dataset.state = state;
  byId('token-form').hidden = state !== 'unauthorized';
  byId('notice').hidden = state !== 'waiting';
  document.body.classList.toggle('stale', state === 'waiting' || state === 'unauthorized');
  if (state === 'waiting') {
    byId('notice').textContent =
      `The daemon does not answer (${reason}). What you see is what was known last.`;
  }
  if (state === 'unauthorized') byId('token').focus();
  if (state !== 'live') return;
  store.clear();
  drawings.clear();
  isIncomplete = true;
  stately?.reset();
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

/** @param {string} name */
function showTab(name) {
  for (const other of ['chart', 'stately']) {
    const isShown = other === name;
    byId(`panel-${other}`).hidden = !isShown;
    byId(`tab-${other}`).setAttribute('aria-selected', String(isShown));
    byId(`tab-${other}`).tabIndex = isShown ? 0 : -1;
  }
  if (name === 'stately') stately?.open();
}

for (const name of ['chart', 'stately']) byId(`tab-${name}`).addEventListener('click', () => showTab(name));
document.querySelector('[role="tablist"]')?.addEventListener('keydown', (event) => {
  const { key } = /** @type {KeyboardEvent} */ (event);
  if ((key !== 'ArrowLeft' && key !== 'ArrowRight') || stately === undefined) return;
  const other = byId('panel-chart').hidden ? 'chart' : 'stately';
  showTab(other);
  byId(`tab-${other}`).focus();
});

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
    connect();
  }, FILTER_PAUSE_MS);
});
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.target instanceof HTMLInputElement) return;
  event.preventDefault();
  byId('filter').focus();
});
byId('only-chosen').addEventListener('change', requestDraw);
byId('token-form').addEventListener('submit', (/** @type {Event} */ event) => {
  event.preventDefault();
  sessionStorage.setItem(TOKEN_KEY, byId('token').value.trim());
  byId('token').value = '';
  connect();
});

byId('filter').value = fragment.get('pattern') ?? '';
connect();
