import { fromPromise } from 'xstate';
import { EdgeProxyError } from '../errors.ts';

/**
 * The placeholder of an actor that does a machine's work: fails with `ERR_NOT_PROVIDED` until the owner of the
 * machine hands in the real one with `.provide()`.
 */
export function notProvided<Output = void, Input = void>(name: string) {
  return fromPromise<Output, Input>(() =>
    Promise.reject(
      new EdgeProxyError('ERR_NOT_PROVIDED', `actor '${name}' is not provided: pass it to machine.provide()`),
    ),
  );
}
