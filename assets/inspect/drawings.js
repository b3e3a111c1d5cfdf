// @ts-check

/**
 * @typedef {{ from: string, to: string, event: string }} DrawnTransition paths of states, and the type of an event
 * @typedef {{ svg: string, transitions: DrawnTransition[] }} Drawing
 */

const COMING = 'The chart is being drawn.';

/**
 * The charts that the daemon draws, each asked for when somebody wants to see it.
 *
 * @param {() => string} token an empty string for none
 * @param {() => void} onChange a chart has come, or will not come
 */
export function createDrawings(token, onChange) {
  /** @type {Map<string, Drawing | string>} */
  let known = new Map();

  /** @param {string} chartId @returns {Promise<Drawing | string>} */
  async function answerFor(chartId) {
    const secret = token();
    try {
      const response = await fetch(`/inspect/charts/${encodeURIComponent(chartId)}`, {
        headers: secret === '' ? {} : { authorization: `Bearer ${secret}` },
        cache: 'no-store',
      });
      return response.ok
        ? await response.json()
        : `The daemon could not draw this chart (${response.status}).`;
    } catch {
      return 'The daemon did not send this chart.';
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
     * @returns {Drawing | string} or why it is not there
     */
    of(chartId) {
      if (!known.has(chartId)) void ask(chartId);
      return known.get(chartId) ?? COMING;
    },
    clear() {
      known = new Map();
    },
  };
}
