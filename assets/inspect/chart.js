// @ts-check

/** @import { Actor, Chart, PlacedState, PlacedTransition } from './store.js' */

const SVG = 'http://www.w3.org/2000/svg';
const MAX_ROW_CHARACTERS = 46;

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {...(Node | string)} content
 */
function element(name, attributes, ...content) {
  const created = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) created.setAttribute(key, String(value));
  created.append(...content);
  return created;
}

/** @param {string} text */
const shortened = (text) =>
  text.length > MAX_ROW_CHARACTERS ? `${text.slice(0, MAX_ROW_CHARACTERS - 1)}…` : text;

/** @param {PlacedState} state @param {boolean} isContainer */
function drawState(state, isContainer) {
  const { x, y, width, height, key, rows, type, isInitial, parent } = state;
  const kind = parent === undefined ? 'root' : isContainer ? 'container' : 'leaf';
  const group = element('g', { class: `state ${kind} ${type}`, 'data-state': state.id });
  group.append(element('rect', { x, y, width, height, rx: 10, class: 'box' }));
  if (type === 'final') {
    group.append(
      element('rect', { x: x + 3, y: y + 3, width: width - 6, height: height - 6, rx: 7, class: 'inner' }),
    );
  }
  if (isInitial) {
    group.append(
      element('circle', { cx: x - 20, cy: y + 17, r: 4, class: 'start' }),
      element('path', { d: `M${x - 20} ${y + 17}H${x - 2}`, class: 'line', 'marker-end': 'url(#arrow)' }),
    );
  }
  const isCentred = rows.length === 0 && !isContainer;
  const place = isCentred
    ? { x: x + width / 2, y: y + height / 2 + 4.5, 'text-anchor': 'middle' }
    : { x: x + 14, y: y + 22 };
  group.append(element('text', { ...place, class: 'name' }, key));
  for (const [index, row] of rows.entries()) {
    const text = element('text', { x: x + 14, y: y + 47 + index * 16, class: 'row' }, shortened(row));
    text.append(element('title', {}, row));
    group.append(text);
  }
  return group;
}

/** @param {PlacedTransition} transition */
function drawTransition({ source, target, triggers, paths, x, y, width, height }) {
  const group = element('g', { class: 'transition', 'data-source': source, 'data-target': target });
  for (const [index, d] of paths.entries()) {
    const end = index === paths.length - 1 ? { 'marker-end': 'url(#arrow)' } : {};
    group.append(element('path', { d, class: 'line', ...end }));
  }
  group.append(element('rect', { x, y, width, height, rx: 8, class: 'pill' }));
  let top = y + 15;
  for (const { label, guard, eventType } of triggers) {
    group.append(
      element('text', { x: x + 10, y: top, class: 'event', 'data-event': eventType }, shortened(label)),
    );
    top += 15;
    if (guard === undefined) continue;
    group.append(element('text', { x: x + 10, y: top, class: 'guard' }, shortened(`[${guard}]`)));
    top += 15;
  }
  return group;
}

function arrow() {
  const shape = { viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto' };
  /** @param {string} id */
  const marker = (id) => element('marker', { id, ...shape }, element('path', { d: 'M0 .5 8 4 0 7.5z' }));
  return element('defs', {}, marker('arrow'), marker('arrow-taken'));
}

/**
 * Draws a chart, all of it unlit.
 *
 * @param {SVGSVGElement} svg
 * @param {Chart} chart
 */
export function drawChart(svg, chart) {
  const { width, height, states, transitions } = chart;
  const margin = 6;
  svg.setAttribute('viewBox', `${-margin} ${-margin} ${width + 2 * margin} ${height + 2 * margin}`);
  svg.style.setProperty('--natural-width', `${Math.round((width + 2 * margin) * 1.15)}px`);
  svg.style.setProperty('--ratio', String((width + 2 * margin) / (height + 2 * margin)));
  const parents = new Set(states.map(({ parent }) => parent));
  svg.replaceChildren(
    arrow(),
    ...states.map((state) => drawState(state, parents.has(state.id))),
    ...transitions.map(drawTransition),
  );
}

/**
 * The ids of the states that are active, the root included.
 *
 * @param {Chart} chart
 * @param {any} value of a snapshot
 * @returns {Set<string>}
 */
export function activeStates({ states }, value) {
  const active = new Set(states.filter(({ parent }) => parent === undefined).map(({ id }) => id));
  /** @param {string} parent @param {any} inner */
  const enter = (parent, inner) => {
    const entries = typeof inner === 'string' ? [[inner, undefined]] : Object.entries(inner ?? {});
    for (const [key, deeper] of entries) {
      const state = states.find((candidate) => candidate.parent === parent && candidate.key === key);
      if (state === undefined) continue;
      active.add(state.id);
      enter(state.id, deeper);
    }
  };
  for (const { id } of states.filter(({ parent }) => parent === undefined)) enter(id, value);
  return active;
}

/**
 * Lights the active states, and the transition that led there.
 *
 * @param {SVGSVGElement} svg
 * @param {Chart} chart
 * @param {Actor} actor
 */
export function lightChart(svg, chart, { snapshot, before, lastEvent }) {
  const active = activeStates(chart, snapshot.value);
  const left = before === undefined ? new Set() : activeStates(chart, before);
  for (const group of svg.querySelectorAll('.state')) {
    group.classList.toggle('active', active.has(/** @type {SVGElement} */ (group).dataset.state ?? ''));
  }
  for (const [index, group] of [...svg.querySelectorAll('.transition')].entries()) {
    const transition = chart.transitions[index];
    if (transition === undefined) continue;
    const { source, target, triggers } = transition;
    const isTaken =
      left.has(source) &&
      active.has(target) &&
      !(left.has(target) && active.has(source)) &&
      triggers.some(({ eventType }) => eventType === lastEvent || eventType === '');
    group.classList.toggle('taken', isTaken);
    for (const path of group.querySelectorAll('[marker-end]')) {
      path.setAttribute('marker-end', isTaken ? 'url(#arrow-taken)' : 'url(#arrow)');
    }
  }
}
