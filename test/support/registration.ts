import { request } from 'node:http';
import { onTestFinished } from 'vitest';
import {
  type GuardedServer,
  type ListenerLimits,
  startGuardedServer,
} from '../../src/adapters/http/guarded-server.ts';
import { registrationRoutes } from '../../src/adapters/http/registration-routes.ts';
import type { RoleToken } from '../../src/domain/access.ts';
import type { Logger } from '../../src/domain/ports.ts';
import type { Registrar, RegisterOutcome } from '../../src/domain/registration.ts';
import { Registry } from '../../src/domain/registry.ts';
import type { EdgeProxyError } from '../../src/errors.ts';

export const TOKENS: readonly RoleToken[] = [
  { role: 'read', token: 'read-token-of-the-tests-0123456789' },
  { role: 'register', token: 'register-token-of-the-tests-0123456789' },
  { role: 'admin', token: 'admin-token-of-the-tests-0123456789' },
];

/** A registration as clients of the original send it. */
export const BODY = { id: 'web-1', app: 'web', region: 'eu', ip: '10.50.1.1', port: 8080 };

export interface ApiAnswered {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly text: string;
  /** The body, read as JSON. */
  readonly json: unknown;
}

export interface ApiAsk {
  readonly method?: string;
  readonly body?: string | Uint8Array | object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly agent?: false;
}

/** One request over a connection of its own; an object is sent as JSON. */
export function askApi(port: number, path: string, ask: ApiAsk = {}): Promise<ApiAnswered> {
  const { method = ask.body === undefined ? 'GET' : 'POST', body, headers = {} } = ask;
  const isRaw = typeof body === 'string' || body instanceof Uint8Array;
  const payload = body === undefined || isRaw ? body : JSON.stringify(body);
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, method, agent: false, headers: { ...type, ...headers } };
    const asking = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.once('error', reject);
      response.once('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text,
          json: text.startsWith('{') ? JSON.parse(text) : undefined,
        }),
      );
    });
    asking.once('error', reject).end(payload);
  });
}

/** A registrar in memory on a clock that the test sets, which fails or refuses when told to. */
export function aRegistrar() {
  let nowMs = 0;
  const registry = new Registry({
    ttlMs: () => 60_000,
    now: () => nowMs,
    wallClock: () => nowMs,
    isTaken: (id) => id === 'taken',
  });
  const told: { failure?: EdgeProxyError | Error; outcome?: RegisterOutcome } = {};
  const answer = <T>(work: () => T): Promise<T> =>
    told.failure === undefined ? Promise.resolve(work()) : Promise.reject(told.failure);
  const registrar: Registrar = {
    get count() {
      return registry.count;
    },
    register: (backend) => answer(() => told.outcome ?? registry.register(backend)),
    heartbeat: (id) => answer(() => registry.heartbeat(id)),
    deregister: (id) => answer(() => registry.deregister(id)),
    list: () => answer(() => registry.list()),
    find: (id) => answer(() => registry.find(id)),
    sweep: (watchedMs) => answer(() => registry.sweep(watchedMs)),
  };
  return { registrar, told, pass: (ms: number) => void (nowMs += ms) };
}

export interface RegistrationApiOptions {
  readonly tokens?: readonly RoleToken[];
  readonly limits?: Partial<ListenerLimits>;
  readonly admit?: (address: string) => boolean;
}

/** The listener of the registration API, gone when the running test ends, and what it has told. */
export async function aRegistrationApi({ tokens = [], limits = {}, admit }: RegistrationApiOptions = {}) {
  const logs: (readonly [level: string, message: string, fields: object])[] = [];
  const at = (level: string) => (fields: object, message: string) => void logs.push([level, message, fields]);
  const logger: Logger = { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
  const { registrar, told, pass } = aRegistrar();
  const changes: unknown[] = [];
  const beats: string[] = [];
  const statuses: number[] = [];
  const now = (): number => performance.now();
  const server: GuardedServer = await startGuardedServer({
    name: 'api',
    address: { host: '127.0.0.1', port: 0 },
    addressSetting: 'EDGEPROXY_API_LISTEN_ADDR',
    tokens,
    hosts: tokens.length > 0 ? undefined : { names: [], advice: 'none are added' },
    errors: 'json',
    admit,
    onAnswered: (status) => void statuses.push(status),
    routes: registrationRoutes({
      registrar,
      witness: {
        changed: (...change) => void changes.push(change),
        beat: (result) => void beats.push(result),
      },
      version: '1.2.3',
      logger,
      now,
    }),
    logger,
    now,
    limits,
  });
  onTestFinished(() => server.close());
  const { port } = server.address;
  return {
    port,
    logs,
    changes,
    beats,
    statuses,
    told,
    pass,
    ask: (path: string, ask?: ApiAsk) => askApi(port, path, ask),
  };
}
