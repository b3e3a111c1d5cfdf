import type { ProxyListener } from '../domain/ports.ts';
import { EdgeProxyError } from '../errors.ts';

/** Whose backends clients are given. May be sent to a thread. */
export interface App {
  readonly number: number;
  /** As the rows of its backends have it; absent where clients are given those of every app. */
  readonly name: string | undefined;
}

/** The number of what is no app, but all of them. */
export const EVERY_APP = 0;

/** The number of an app that a client's TLS greeting is to say: whoever comes so has no app yet. */
export const BY_SERVER_NAME = -1;

/** Apps that an engine can tell apart, `EVERY_APP` included: what its threads share has room for so many. */
export const MOST_APPS = 1_024;

/** The numbers of the apps that clients of a daemon have come for so far; none is given to another app. */
export class Apps {
  readonly #numbers = new Map<string | undefined, number>([[undefined, EVERY_APP]]);
  /** By number. */
  readonly #names: (string | undefined)[] = [undefined];

  /** What the clients of a listener are given. Fails with `ERR_LISTEN` when there have been too many. */
  ofListener({ app, goesByServerName }: Pick<ProxyListener, 'app' | 'goesByServerName'>): App {
    return goesByServerName === true ? { number: BY_SERVER_NAME, name: undefined } : this.of(app);
  }

  /** The same of an app that clients need not have come for: then it has the number of none, which stays none's. */
  look(name: string | undefined): App {
    return { number: this.#numbers.get(name) ?? MOST_APPS, name };
  }

  /** What has this number, if that is one app. */
  nameOf(number: number): string | undefined {
    return this.#names[number];
  }

  /** Fails with `ERR_LISTEN` when there have been too many. */
  of(name: string | undefined): App {
    const number = this.#numbers.get(name) ?? this.#numbers.size;
    if (number >= MOST_APPS) {
      const problem = `no more than ${MOST_APPS - 1} apps can be told apart until the next start`;
      throw new EdgeProxyError('ERR_LISTEN', `app "${name}": ${problem}`);
    }
    this.#numbers.set(name, number);
    this.#names[number] = name;
    return { number, name };
  }
}
