// @ts-check

import { part, write } from './dom.js';
import { moodOf, stateText } from './store.js';

/** @import { Actor } from './store.js' */

const FLASH_MS = 1_200;

/**
 * The list of actors with their states: one of them is chosen, by pointer or by arrow keys.
 *
 * @param {HTMLElement} list
 * @param {(sessionId: string, isGoing: boolean) => void} onChoose going: by pointer or Enter, not in passing
 */
export function createActorList(list, onChoose) {
  /** @type {Map<string, HTMLLIElement>} */
  const items = new Map();

  /** @param {Actor} actor */
  function createItem({ sessionId, name }) {
    const item = document.createElement('li');
    item.id = `actor-${sessionId.replaceAll(/[^\w-]/g, '-')}`;
    item.role = 'option';
    item.dataset.session = sessionId;
    item.append(part('mark', ''), part('who', name), part('state', ''));
    items.set(sessionId, item);
    return item;
  }

  /** @param {Actor} actor @param {HTMLLIElement} item @param {string} chosen */
  function update({ sessionId, snapshot, changedAtMs }, item, chosen) {
    const text = stateText(snapshot.value) || (snapshot.status ?? '');
    const state = /** @type {HTMLElement} */ (item.lastElementChild);
    write(state, text);
    if (changedAtMs > 0 && item.dataset.changed !== String(changedAtMs)) {
      item.dataset.changed = String(changedAtMs);
      state.animate([{ color: 'var(--accent)', fontWeight: 700 }, {}], {
        duration: FLASH_MS,
        easing: 'ease-in',
      });
    }
    item.dataset.mood = moodOf(snapshot);
    item.setAttribute('aria-selected', String(sessionId === chosen));
    if (sessionId === chosen) list.setAttribute('aria-activedescendant', item.id);
  }

  list.addEventListener('click', ({ target }) => {
    const item = target instanceof Element ? target.closest('li') : null;
    if (item?.dataset.session !== undefined) onChoose(item.dataset.session, true);
  });
  list.addEventListener('keydown', (event) => {
    const all = [...list.children];
    const at = all.findIndex((item) => item.getAttribute('aria-selected') === 'true');
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1, Enter: at }[event.key];
    const item = to === undefined ? undefined : all[Math.max(0, Math.min(all.length - 1, to))];
    if (!(item instanceof HTMLElement)) return;
    event.preventDefault();
    item.scrollIntoView({ block: 'nearest' });
    onChoose(item.dataset.session ?? '', event.key === 'Enter');
  });

  return {
    /** @param {Actor[]} actors in their order @param {string} chosen */
    draw(actors, chosen) {
      const wanted = new Set(actors.map(({ sessionId }) => sessionId));
      for (const [sessionId, item] of items) {
        if (wanted.has(sessionId)) continue;
        item.remove();
        items.delete(sessionId);
      }
      if (!wanted.has(chosen)) list.removeAttribute('aria-activedescendant');
      for (const [index, actor] of actors.entries()) {
        const item = items.get(actor.sessionId) ?? createItem(actor);
        if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
        update(actor, item, chosen);
      }
    },
  };
}
