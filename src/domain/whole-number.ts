import { EdgeProxyError } from '../errors.ts';

/** Fails with `ERR_SETTINGS_INVALID`, naming the option, unless the value is a whole number in this range. */
export function expectWholeNumber(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new EdgeProxyError(
    'ERR_SETTINGS_INVALID',
    `${name} = ${value}: expected a whole number from ${min} to ${max}`,
  );
}
