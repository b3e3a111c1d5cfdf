// @ts-check

/**
 * @typedef {object} Actor
 * @property {string} sessionId
 * @property {string} name
 * @property {string | undefined} chartId
 * @property {any} registration the message that introduced it
 * @property {any} snapshot
 * @property {any} before the value of the state before the last event
 * @property {string} lastEvent type of the last event
 * @property {number} changedAtMs when its state was last seen to change
 */

/**
 * The state as one line: `closed`, `session.live`, `verdict.healthy · activity.waiting`.
 *
 * @param {any} value
 * @returns {string}
 */
export function stateText(value) {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return '';
  return Object.entries(value)
    .map(([key, inner]) => {
      const text = stateText(inner);
      return text === '' ? key : `${key}.${text.includes(' · ') ? `(${text})` : text}`;
    })
    .join(' · ');
}

/**
 * The event as a person names it.
 *
 * @param {string} type
 */
export function eventText(type) {
  const [, kind, rest = ''] =
    /^xstate\.(after|done\.actor|done\.state|error\.actor|init|stop)\.?(.*)$/.exec(type) ?? [];
  switch (kind) {
    case undefined:
      return type;
    case 'after':
      return `after ${rest.split('.')[0]}`;
    case 'error.actor':
      return `failed: ${rest.split('.').at(-1)}`;
    case 'init':
    case 'stop':
      return kind === 'init' ? 'started' : 'stopped';
    default:
      return `done: ${rest.split('.').at(-1)}`;
  }
}

/** @param {string} _key @param {any} value */
const roundNumber = (_key, value) => {
  if (typeof value !== 'number' || Number.isInteger(value)) return value;
  return Math.abs(value) >= 1_000 ? Math.round(value) : Number(value.toPrecision(4));
};

/**
 * What a snapshot holds beside its state, as JSON; readings of a clock have digits that tell nobody anything.
 *
 * @param {any} snapshot
 */
export function contextText({ context, output, error } = {}) {
  const told = {
    ...context,
    ...(output === undefined ? {} : { output }),
    ...(error === undefined ? {} : { error }),
  };
  return Object.keys(told).length === 0 ? 'Nothing' : JSON.stringify(told, roundNumber, 2);
}

/**
 * How good a state is, judged by its name, for the colour of its mark.
 *
 * @param {any} snapshot
 * @returns {'good' | 'warn' | 'bad' | 'over'}
 */
export function moodOf(snapshot) {
  const text = stateText(snapshot?.value);
  if (snapshot?.status === 'error') return 'bad';
  if (/(?:^|[.(\s])(?:open|unhealthy|failed|backingOff)(?:$|[.)\s])/.test(text)) return 'bad';
  if (snapshot?.status === 'done' || /removed|stopped/.test(text)) return 'over';
  if (
    /halfOpen|draining|evacuat|unknown|connecting|listening|starting|closing|stopping|cleaningUp/.test(text)
  )
    return 'warn';
  return 'good';
}

/** What is known about the actors, from the messages so far. */
export class Store {
  /** @type {Map<string, Actor>} */
  actors = new Map();
  scope = { matched: 0, followed: 0, leftOut: 0 };

  clear() {
    this.actors.clear();
  }

  /** @returns {Actor[]} */
  sorted() {
    return [...this.actors.values()].toSorted((a, b) =>
      a.name.localeCompare(b.name, 'en', { numeric: true }),
    );
  }

  /**
   * The messages that tell the Stately inspector everything from the beginning.
   *
   * @returns {any[]}
   */
  replay() {
    return [...this.actors.values()]
      .filter(({ registration }) => registration !== undefined)
      .map(({ registration, snapshot }) => ({ ...registration, snapshot }));
  }

  /**
   * @param {any} message
   * @returns {Actor | undefined} the actor that it is about
   */
  take(message) {
    const actor = this.actors.get(message.sessionId);
    switch (message.type) {
      case 'edgeproxy.scope':
        this.scope = message;
        return undefined;
      case 'edgeproxy.actor': {
        const { sessionId, name, chartId } = message;
        const fresh = {
          before: undefined,
          lastEvent: '',
          changedAtMs: 0,
          registration: undefined,
          snapshot: {},
        };
        this.actors.set(sessionId, { sessionId, name, chartId, ...fresh });
        return undefined;
      }
      case 'edgeproxy.gone':
        this.actors.delete(message.sessionId);
        return actor;
      case '@xstate.actor':
        if (actor === undefined) return undefined;
        actor.registration = message;
        actor.snapshot = message.snapshot;
        return actor;
      case '@xstate.snapshot':
        if (actor === undefined) return undefined;
        actor.before = actor.snapshot.value;
        actor.snapshot = message.snapshot;
        actor.lastEvent = message.event.type;
        if (stateText(actor.before) !== stateText(message.snapshot.value))
          actor.changedAtMs = performance.now();
        return actor;
      default:
        return actor;
    }
  }
}
