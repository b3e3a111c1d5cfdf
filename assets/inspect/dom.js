// @ts-check

/** @param {string} id @returns {any} */
export const byId = (id) => document.getElementById(id);

/**
 * A piece of text with a class of its own.
 *
 * @param {string} className
 * @param {string} content
 */
export function part(className, content) {
  const span = document.createElement('span');
  span.className = className;
  span.textContent = content;
  return span;
}

/**
 * Writes a text where it is not written already: what is written anew is read out anew.
 *
 * @param {HTMLElement} place
 * @param {string} content
 */
export function write(place, content) {
  if (place.textContent !== content) place.textContent = content;
}

/**
 * Tabs `tab-NAME` with panels `panel-NAME`. Arrow keys go from tab to tab and show what is there, so what a panel
 * shows at first must cost nothing.
 *
 * @param {string[]} names
 * @returns {(name: string) => void} shows a tab, and moves the focus there
 */
export function createTabs(names) {
  /** @param {string} name */
  function show(name) {
    for (const other of names) {
      const isShown = other === name;
      byId(`panel-${other}`).hidden = !isShown;
      byId(`tab-${other}`).setAttribute('aria-selected', String(isShown));
      byId(`tab-${other}`).tabIndex = isShown ? 0 : -1;
    }
    byId(`tab-${name}`).focus();
  }

  for (const [index, name] of names.entries()) {
    byId(`tab-${name}`).addEventListener('click', () => show(name));
    byId(`tab-${name}`).addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
      const step = { ArrowRight: 1, ArrowLeft: names.length - 1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      show(/** @type {string} */ (names[(index + step) % names.length]));
    });
  }
  return show;
}
