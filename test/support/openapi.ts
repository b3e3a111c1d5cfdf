import { expect } from 'vitest';
import { z } from 'zod';
import type { ApiAnswered, ApiAsk } from './registration.ts';

export interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

export interface Operation {
  readonly operationId: string;
  readonly 'x-role'?: string;
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content: Content }>>;
}

interface Content {
  readonly 'application/json': { readonly schema: Parameters<typeof z.fromJSONSchema>[0] };
}

/** A path, and what is asked there. */
export type Asked = readonly [path: string, ask: ApiAsk];

export interface DescribedApi {
  readonly document: Document;
  /** By operation; the first of each is one that is answered well. */
  readonly requests: Readonly<Record<string, readonly Asked[]>>;
  readonly ask: (path: string, ask: ApiAsk) => Promise<ApiAnswered>;
  /** Asks what else an operation may be asked, in any state of its server. */
  readonly provoke: (
    operation: Operation,
    first: Asked,
    answer: (asked: Asked) => Promise<void>,
  ) => Promise<void>;
  /** Statuses that an operation is said to answer and cannot be made to. */
  readonly unseen: (operationId: string) => readonly string[];
}

/** Fails unless every operation answers as the document says, with every status that it says. */
export async function answerAsDescribed(api: DescribedApi): Promise<void> {
  const { document, requests, ask, provoke, unseen } = api;
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods));
  expect(operations.map(({ operationId }) => operationId).toSorted()).toEqual(
    Object.keys(requests).toSorted(),
  );
  for (const operation of operations) {
    const { operationId, responses } = operation;
    const seen = new Set<string>();
    const answer = async ([path, asked]: Asked): Promise<void> => {
      const { status, json } = await ask(path, asked);
      expect(Object.keys(responses), `${operationId} answers ${status}`).toContain(String(status));
      const { schema } = responses[String(status)]!.content['application/json'];
      expect(z.fromJSONSchema(schema).safeParse(json).error, `${operationId} ${status}`).toBeUndefined();
      seen.add(String(status));
    };
    for (const one of requests[operationId]!) await answer(one);
    await provoke(operation, requests[operationId]![0]!, answer);
    const missed = Object.keys(responses).filter((status) => !seen.has(status));
    expect([operationId, missed]).toEqual([operationId, unseen(operationId)]);
  }
}
