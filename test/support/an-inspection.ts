import { request } from 'node:http';
import { onTestFinished } from 'vitest';
import type { Logger } from '../../src/domain/ports.ts';
import { type InspectionOptions, startInspection } from './inspection.ts';

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: NodeJS.Dict<string | string[]>;
}

export type RequestHeaders = Readonly<Record<string, string>>;

/** One GET over a connection of its own, to the end of its body. */
export function getFrom(
  to: { readonly host: string; readonly port: number; readonly localAddress?: string },
  path: string,
  headers: RequestHeaders = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const ask = request({ ...to, path, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, body, headers: response.headers }),
      );
    });
    ask.once('error', reject).end();
  });
}

/** An admin listener that is gone when the running test ends, and what it has logged. */
export async function anInspection(options: InspectionOptions = {}) {
  const logs: (readonly [level: string, message: string, fields: object])[] = [];
  const at = (level: string) => (fields: object, message: string) => void logs.push([level, message, fields]);
  const logger: Logger = { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') };
  const inspection = await startInspection({ logger, ...options });
  onTestFinished(() => inspection.close());
  const { host, port } = inspection.address;
  const get = (path: string, headers?: RequestHeaders) => getFrom({ host, port }, path, headers);
  return { ...inspection, port, get, logs };
}
