import { z } from 'zod';
import { backendPage, connectionPage, eligibleSet, explanation, levelAnswer } from './admin-answers.ts';
import { type ApiOperation, problem } from './api-operation.ts';
import { BODY_ANSWERS, bodyOf, QUERY_ANSWERS, queryOf } from './parsed-request.ts';

const MOST = 1_000;
const LONGEST_CURSOR = 300;
const CURSOR = 'expected the `next` of a page before';

const limit = z
  .string()
  .regex(/^\d{1,4}$/, `expected a whole number from 1 to ${MOST}`)
  .transform(Number)
  .pipe(z.int().min(1, `expected a whole number from 1 to ${MOST}`).max(MOST, `expected ${MOST} at most`))
  .default(100);

/** What a page before has given as `next`. @param form how that looks */
const cursor = (form: RegExp) => z.string().max(LONGEST_CURSOR, CURSOR).regex(form, CURSOR).optional();

const backendQuery = z.strictObject({
  limit,
  after: cursor(/^.+@.+:\d{1,5}$/s),
  id: z.string().optional(),
});

const address = z.union([z.ipv4(), z.ipv6()], { error: 'expected an IPv4 or IPv6 address, not a name' });

const connectionQuery = z.strictObject({
  limit,
  after: cursor(/^\d:(?:\d{1,15}(?:\.\d{1,15})?)?$/),
  backend: z.string().optional(),
  client: address.optional(),
});

const explainBody = z.strictObject({
  client: address,
  app: z.string('expected the name of an app').min(1, 'expected the name of an app').optional(),
  limit: z.int(`expected a whole number from 1 to ${MOST}`).min(1).max(MOST).default(100),
});

const EXPLAIN_WHOLE = 'the body: expected a JSON object of the fields client, app and limit';

/** What there is to be seen; every method answers at once but that of backends, which may wait a second for leases. */
export interface AdminView {
  readonly eligible: (query: z.output<typeof backendQuery>) => z.input<typeof eligibleSet>;
  readonly backends: (query: z.output<typeof backendQuery>) => Promise<z.input<typeof backendPage>>;
  readonly connections: (query: z.output<typeof connectionQuery>) => z.input<typeof connectionPage>;
  /** `undefined` when it cannot be told at this moment. */
  readonly explain: (asked: z.output<typeof explainBody>) => z.input<typeof explanation> | undefined;
  readonly logLevel: () => z.input<typeof levelAnswer>;
}

/** What the admin API shows. */
export function adminReads(view: AdminView): readonly ApiOperation[] {
  return [
    {
      method: 'GET',
      path: '/admin/v1/eligible',
      access: 'read',
      operationId: 'eligibleSet',
      summary: 'The set that clients are routed by: who is in, who is out, and why. Ordered by id.',
      query: backendQuery,
      answers: { 200: { description: 'A page of it.', schema: eligibleSet }, ...QUERY_ANSWERS },
      handle(context) {
        const query = queryOf(context, backendQuery);
        return query.ok ? context.json(view.eligible(query.value)) : query.answer;
      },
    },
    {
      method: 'GET',
      path: '/admin/v1/backends',
      access: 'read',
      operationId: 'backends',
      summary: 'Backends with all their states. Ordered by id.',
      query: backendQuery,
      answers: { 200: { description: 'A page of them.', schema: backendPage }, ...QUERY_ANSWERS },
      async handle(context) {
        const query = queryOf(context, backendQuery);
        return query.ok ? context.json(await view.backends(query.value)) : query.answer;
      },
    },
    {
      method: 'GET',
      path: '/admin/v1/connections',
      access: 'read',
      operationId: 'connections',
      summary: 'Clients that are served at the moment. In no order; a page may hold fewer than asked for.',
      query: connectionQuery,
      answers: { 200: { description: 'A page of them.', schema: connectionPage }, ...QUERY_ANSWERS },
      handle(context) {
        const query = queryOf(context, connectionQuery);
        return query.ok ? context.json(view.connections(query.value)) : query.answer;
      },
    },
    {
      method: 'POST',
      path: '/admin/v1/explain',
      access: 'read',
      operationId: 'explain',
      summary:
        'Which backend a client would get now, and why each other one does not get it. Changes nothing.',
      body: explainBody,
      answers: {
        200: { description: 'The backends, those first that the client may get.', schema: explanation },
        ...BODY_ANSWERS,
        503: { description: 'It cannot be told at this moment; ask again.', schema: problem },
      },
      async handle(context) {
        const body = await bodyOf(context, explainBody, EXPLAIN_WHOLE);
        if (!body.ok) return body.answer;
        const explained = view.explain(body.value);
        if (explained !== undefined) return context.json(explained);
        return context.json({ error: 'it cannot be told at this moment, ask again' }, 503, {
          'retry-after': '1',
        });
      },
    },
    {
      method: 'GET',
      path: '/admin/v1/log-level',
      access: 'read',
      operationId: 'logLevel',
      summary: 'How much is logged.',
      answers: { 200: { description: 'The level, and what the configuration says.', schema: levelAnswer } },
      handle: (context) => context.json(view.logLevel()),
    },
  ];
}
