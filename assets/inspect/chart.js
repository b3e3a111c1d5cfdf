// @ts-check

import { byId, write } from './dom.js';

/** @import { Drawing, DrawnTransition, NoDrawing } from './drawings.js' */
/** @import { Actor } from './store.js' */

/** Graphviz writes smaller than the page does: a label of 11 is 13 pixels at 100 %. */
const FULL_SCALE = 1.18;
/** A label of 11 is 10 pixels: what is smaller is an overview, to be asked for. */
const LEAST_READABLE_SCALE = 10 / 11;
/** What a revealed state keeps clear of the edge, for its glow. */
const MARGIN_PX = 14;

/**
 * The paths of the states that are active, outer ones first.
 *
 * @param {any} value of a snapshot
 * @param {string} within the path of the state whose value it is, with a dot; empty for the machine
 * @returns {string[]}
 */
export function activePaths(value, within = '') {
  const entries = typeof value === 'string' ? [[value, undefined]] : Object.entries(value ?? {});
  return entries.flatMap(([key, inner]) => [`${within}${key}`, ...activePaths(inner, `${within}${key}.`)]);
}

/** The same with the state around all of them, whose path is empty. @param {any} value */
const litPaths = (value) => new Set(value === undefined ? [] : ['', ...activePaths(value)]);

/**
 * Lights the active states, and the transition that led there.
 *
 * @param {HTMLElement} place
 * @param {DrawnTransition[]} transitions
 * @param {Actor} actor
 * @returns {Element[]} the innermost states that are lit now and were not before
 */
function light(place, transitions, { snapshot, before, lastEvent }) {
  const [active, left] = [litPaths(snapshot.value), litPaths(before)];
  const fresh = [];
  for (const state of place.querySelectorAll('.state')) {
    const wasLit = state.classList.contains('active');
    const isLit = state.classList.toggle('active', active.has(state.id.replace('state-', '')));
    if (isLit && !wasLit && state.classList.contains('node')) fresh.push(state);
  }
  for (const [index, { from, to, event }] of transitions.entries()) {
    const isTaken =
      left.has(from) &&
      active.has(to) &&
      !(left.has(to) && active.has(from)) &&
      (event === lastEvent || event === '');
    place.querySelector(`#transition-${index}`)?.classList.toggle('taken', isTaken);
  }
  return fresh;
}

/**
 * How far to scroll so that a stretch is within a view, its beginning at least.
 *
 * @param {number} start
 * @param {number} end
 * @param {number} viewStart
 * @param {number} viewEnd
 */
function shift(start, end, viewStart, viewEnd) {
  if (start < viewStart || end - start > viewEnd - viewStart) return start - viewStart;
  return Math.max(0, end - viewEnd);
}

/**
 * Scrolls the panel, and never the page, so that the elements are seen.
 *
 * @param {HTMLElement} panel
 * @param {Element[]} elements
 * @param {ScrollBehavior} [behavior] as the style sheet says by default
 */
function reveal(panel, elements, behavior = 'auto') {
  const boxes = elements.map((element) => element.getBoundingClientRect());
  if (boxes.length === 0 || panel.clientWidth === 0) return;
  const { left, top } = panel.getBoundingClientRect();
  const [viewLeft, viewTop] = [left + panel.clientLeft + MARGIN_PX, top + panel.clientTop + MARGIN_PX];
  const dx = shift(
    Math.min(...boxes.map((box) => box.left)),
    Math.max(...boxes.map((box) => box.right)),
    viewLeft,
    viewLeft + panel.clientWidth - 2 * MARGIN_PX,
  );
  const dy = shift(
    Math.min(...boxes.map((box) => box.top)),
    Math.max(...boxes.map((box) => box.bottom)),
    viewTop,
    viewTop + panel.clientHeight - 2 * MARGIN_PX,
  );
  if (dx !== 0 || dy !== 0) panel.scrollBy({ left: dx, top: dy, behavior });
}

/**
 * The panel of the chart: fitted to its width as long as that can be read, unless somebody chooses a size.
 *
 * @param {() => void} onRetry somebody wants the chart that did not come
 */
export function createChartPanel(onRetry) {
  const [panel, place] = [byId('panel-chart'), byId('chart')];
  const sizes = /** @type {const} */ (['fit', 'full']);
  /** @type {Drawing | undefined} */
  let drawn;
  let shownId = '';
  let width = 0;
  /** @type {'fit' | 'full' | undefined} */
  let chosenSize;

  function applySize() {
    const { paddingLeft, paddingRight } = getComputedStyle(panel);
    // The whole width: a scroll bar comes and goes with the size that is chosen here.
    const room = panel.offsetWidth - Number.parseFloat(paddingLeft) - Number.parseFloat(paddingRight);
    const size = chosenSize ?? (room >= width * LEAST_READABLE_SCALE ? 'fit' : 'full');
    place.dataset.size = size;
    for (const other of sizes) byId(`size-${other}`).setAttribute('aria-pressed', String(other === size));
  }

  const revealLit = () => reveal(panel, [...place.querySelectorAll('.node.active')], 'instant');

  /** Shows it all unlit. @param {string} text read as a document of its own: nothing in it is taken for the page's */
  function draw(text) {
    const svg = document.importNode(
      new DOMParser().parseFromString(text, 'image/svg+xml').documentElement,
      true,
    );
    // They name what Graphviz draws, and would come up as tooltips.
    for (const title of svg.querySelectorAll('title')) title.remove();
    const box = /** @type {SVGSVGElement} */ (/** @type {unknown} */ (svg)).viewBox.baseVal;
    svg.removeAttribute('width');
    svg.removeAttribute('height');
    width = box.width;
    place.style.setProperty('--drawn-width', `${Math.round(width)}px`);
    place.style.setProperty('--full-width', `${Math.round(width * FULL_SCALE)}px`);
    place.style.setProperty('--ratio', String(width / box.height));
    place.replaceChildren(svg);
    panel.scrollTo({ left: 0, top: 0, behavior: 'instant' });
    applySize();
  }

  for (const size of sizes) {
    byId(`size-${size}`).addEventListener('click', () => {
      chosenSize = size;
      applySize();
      revealLit();
    });
  }
  byId('chart-retry').addEventListener('click', onRetry);
  new ResizeObserver(() => {
    // A panel that is not shown has no width.
    if (panel.clientWidth === 0) return;
    applySize();
    revealLit();
  }).observe(panel);

  return {
    /** @param {Drawing | NoDrawing} drawing @param {Actor | undefined} actor whose chart it is */
    show(drawing, actor) {
      const isThere = 'svg' in drawing;
      place.hidden = !isThere;
      byId('sizes').hidden = !isThere;
      byId('chart-empty').hidden = isThere;
      byId('chart-retry').hidden = isThere || !drawing.isFinal || actor?.chartId === undefined;
      if (!isThere) return write(byId('chart-reason'), drawing.reason);
      if (actor === undefined) return;
      const isChosen = drawn !== drawing || shownId !== actor.sessionId;
      if (drawn !== drawing) draw(drawing.svg);
      [drawn, shownId] = [drawing, actor.sessionId];
      const fresh = light(place, drawing.transitions, actor);
      if (isChosen) revealLit();
      else reveal(panel, fresh);
    },
  };
}
