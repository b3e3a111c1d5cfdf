// @ts-check

import { sentenceOf } from './stream.js';

/**
 * @typedef {{ from: string, to: string, event: string }} DrawnTransition paths of states, and the type of an event
 * @typedef {{ svg: string, transitions: DrawnTransition[] }} Drawing
 * @typedef {{ reason: string, isFinal: boolean }} NoDrawing why there is none; final unless somebody asks again
 */

/** @type {NoDrawing} */
const COMING = { reason: 'The chart is being drawn.', isFinal: false };

/**
 * The charts that the daemon draws, each asked for when somebody wants to see it.
 *
 * @param {() => string} token an empty string for none
 * @param {() => void} onChange a chart has come, or will not come
 */
export function createDrawings(token, onChange) {
  /** @type {Map<string, Drawing | NoDrawing>} */
  let known = new Map();

  /** @param {string} chartId @returns {Promise<Drawing | NoDrawing>} */
  async function answerFor(chartId) {
    const secret = token();
    try {
      const response = await fetch(`/inspect/charts/${encodeURIComponent(chartId)}`, {
        headers: secret === '' ? {} : { authorization: `Bearer ${secret}` },
        cache: 'no-store',
      });
      if (response.ok) return await response.json();
      return { reason: `The daemon did not draw this chart: ${await sentenceOf(response)}.`, isFinal: true };
    } catch {
      return { reason: 'The daemon did not send this chart.', isFinal: true };
    }
  }

  /** @param {string} chartId */
  async function ask(chartId) {
    // An answer that comes after `clear()` is for nobody: a daemon that has started anew gives ids anew.
    const asked = known;
    asked.set(chartId, COMING);
    asked.set(chartId, await answerFor(chartId));
    onChange();
  }

  return {
    /**
     * @param {string} chartId
     * @returns {Drawing | NoDrawing}
     */
    of(chartId) {
      if (!known.has(chartId)) void ask(chartId);
      return known.get(chartId) ?? COMING;
    },
    /** @param {string} chartId asked for again when somebody wants to see it */
    forget(chartId) {
      known.delete(chartId);
    },
    clear() {
      known = new Map();
    },
  };
}
