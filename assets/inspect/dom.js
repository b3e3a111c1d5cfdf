// @ts-check

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
