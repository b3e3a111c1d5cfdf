// @ts-check

/** @import { DrawnTransition } from './drawings.js' */
/** @import { Actor } from './store.js' */

/** Graphviz counts in points, and writes smaller than the page does. */
const SCALE = 1.25;

/**
 * Shows a chart, all of it unlit.
 *
 * @param {HTMLElement} place
 * @param {string} text the SVG, read as a document of its own: nothing in it is taken for a part of the page
 */
export function showChart(place, text) {
  const svg = document.importNode(
    new DOMParser().parseFromString(text, 'image/svg+xml').documentElement,
    true,
  );
  // They name what Graphviz draws, and would come up as tooltips.
  for (const title of svg.querySelectorAll('title')) title.remove();
  const { width, height } = /** @type {SVGSVGElement} */ (/** @type {unknown} */ (svg)).viewBox.baseVal;
  svg.removeAttribute('width');
  svg.removeAttribute('height');
  place.style.setProperty('--natural-width', `${Math.round(width * SCALE)}px`);
  place.style.setProperty('--ratio', String(width / height));
  place.replaceChildren(svg);
}

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

/**
 * Lights the active states, and the transition that led there.
 *
 * @param {HTMLElement} place
 * @param {DrawnTransition[]} transitions
 * @param {Actor} actor
 */
export function lightChart(place, transitions, { snapshot, before, lastEvent }) {
  const active = new Set(activePaths(snapshot.value));
  const left = new Set(before === undefined ? [] : activePaths(before));
  for (const state of place.querySelectorAll('.state')) {
    state.classList.toggle('active', active.has(state.id.replace('state-', '')));
  }
  for (const [index, { from, to, event }] of transitions.entries()) {
    const isTaken =
      left.has(from) &&
      active.has(to) &&
      !(left.has(to) && active.has(from)) &&
      (event === lastEvent || event === '');
    place.querySelector(`#transition-${index}`)?.classList.toggle('taken', isTaken);
  }
}
