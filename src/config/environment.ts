import { type Setting, SETTINGS } from './catalogue.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Variables with the prefix that are not settings of the schema. */
const OTHER_NAMES: ReadonlySet<string> = new Set(['EDGEPROXY_CONFIG']);

/** What Kubernetes sets in every container of a namespace that has a Service named `edgeproxy`. */
const KUBERNETES_SERVICE =
  /^EDGEPROXY_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$/;

const BY_ENV: ReadonlyMap<string, Setting> = new Map(
  SETTINGS.flatMap((setting) => (setting.env === undefined ? [] : [[setting.env, setting]])),
);

export interface EnvironmentValue {
  readonly setting: Setting;
  readonly name: string;
  readonly value: unknown;
}

/** The settings that the environment gives, and the names in it that are close to one but none. */
export function readEnvironment(env: Environment): {
  readonly values: readonly EnvironmentValue[];
  readonly unknown: readonly string[];
} {
  const ours = Object.keys(env).filter((name) => name.startsWith('EDGEPROXY_') && env[name] !== undefined);
  const values = ours.flatMap((name): EnvironmentValue[] => {
    const setting = BY_ENV.get(name);
    return setting === undefined ? [] : [{ setting, name, value: typed(setting, env[name]!) }];
  });
  const unknown = ours.filter(
    (name) => !BY_ENV.has(name) && !OTHER_NAMES.has(name) && !KUBERNETES_SERVICE.test(name),
  );
  return { values, unknown };
}

/** Text as the type of the setting where it reads as one; otherwise as it is, for the schema to refuse. */
function typed({ type }: Setting, text: string): unknown {
  const word = text.trim().toLowerCase();
  if (type === 'boolean')
    return word === 'true' || word === '1' ? true : word === 'false' || word === '0' ? false : text;
  if (type === 'list') return word === '' ? [] : text.split(',').map((item) => item.trim());
  if (type === 'integer') return /^-?\d{1,15}$/.test(word) ? Number(word) : text;
  return text;
}

export const ENVIRONMENT_NAMES: readonly string[] = [...BY_ENV.keys(), ...OTHER_NAMES];
