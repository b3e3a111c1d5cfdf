import { z } from 'zod';
import { listenAddressValue, RELOADABLE } from './setting-types.ts';

/** Whose backends the clients of a listener are given: the column `app` of their rows. */
const APP = 'expected the name of an app, as rows have it in their column app';
export const appName = z.string({ error: APP }).min(1, APP);

export const app = appName.optional().meta({
  env: 'EDGEPROXY_APP',
  reload: RELOADABLE,
  description:
    'App whose backends the clients of `listen_addr` are given: the column `app` of their rows; default: the backends of every app.',
});

const route = z.strictObject({
  listen_addr: listenAddressValue,
  app: appName,
});

/** The keys of a `[[routes]]` table. */
export const ROUTE_KEYS: readonly string[] = Object.keys(route.shape);

export const routes = z.array(route).default([]).meta({
  reload: RELOADABLE,
  description: 'Further listeners for clients, each with the app whose backends they are given.',
});
