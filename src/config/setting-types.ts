import { z } from 'zod';
import { parseCidr } from '../domain/address.ts';
import { BEARER_TOKEN, BEARER_TOKEN_RULE } from '../domain/bearer-token.ts';

/** What the schema knows about a setting besides its type and default. */
export interface SettingMeta {
  /** Name of the environment variable; tables have none and come from the file alone. */
  readonly env?: string;
  readonly unit?: string;
  /** Takes effect in a running daemon. */
  readonly reload: boolean;
  /** Never printed. */
  readonly secret?: boolean;
  /** One line of documentation. */
  readonly description: string;
}

export const STATIC = false;
export const RELOADABLE = true;

export const switchOff = (env: string, description: string, more: Partial<SettingMeta> = {}) =>
  z
    .boolean()
    .default(false)
    .meta({ env, reload: STATIC, description, ...more });

export const amount = (
  env: string,
  reload: boolean,
  standard: number,
  min: number,
  description: string,
  unit?: string,
  max = 2_147_483,
) =>
  z
    .int()
    .min(min)
    .max(max)
    .default(standard)
    .meta({ env, reload, description, ...(unit === undefined ? {} : { unit }) });

export const seconds = (env: string, reload: boolean, standard: number, min: number, description: string) =>
  amount(env, reload, standard, min, description, 's');

export const percent = (env: string, reload: boolean, description: string) =>
  z.int().min(0).max(100).default(0).meta({ env, reload, description, unit: '%' });

export const text = (env: string, description: string, more: Partial<SettingMeta> = {}) =>
  z
    .string()
    .min(1)
    .optional()
    .meta({ env, reload: STATIC, description, ...more });

/** A secret that a client sends as a bearer token. */
export const bearerToken = (env: string, description: string) =>
  z
    .string()
    .regex(BEARER_TOKEN, `expected ${BEARER_TOKEN_RULE}`)
    .optional()
    .meta({ env, reload: STATIC, secret: true, description });

/** A network such as `10.0.0.0/8`, or an address alone. */
export const network = z.string().superRefine((value, context) => {
  const parsed = parseCidr(value);
  if (!parsed.ok) context.addIssue({ code: 'custom', message: parsed.problem });
});

export const networks = (env: string, description: string) =>
  z.array(network).default([]).meta({ env, reload: RELOADABLE, description });

const LISTEN_ADDRESS = 'expected ADDRESS:PORT or [IPV6]:PORT';

/** `host:port`, `[v6]:port`; the host is an address, and the port 0 asks the system for a free one. */
export const listenAddressValue = z
  .string({ error: LISTEN_ADDRESS })
  .refine((value) => parseListenAddress(value) !== undefined, LISTEN_ADDRESS);

export const listenAddress = (env: string, standard: string, description: string, reload: boolean = STATIC) =>
  listenAddressValue.default(standard).meta({ env, reload, description });

/** Splits a listen address; `undefined` when it is none. */
export function parseListenAddress(
  value: string,
): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<v4>[^:]+)):(?<port>\d{1,5})$/.exec(value);
  const { v6, v4, port } = match?.groups ?? {};
  const isAddress = v6 === undefined ? z.ipv4().safeParse(v4).success : z.ipv6().safeParse(v6).success;
  if (!isAddress || Number(port) > 65_535) return undefined;
  return { host: (v6 ?? v4)!, port: Number(port) };
}
