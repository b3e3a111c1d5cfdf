import { Client } from 'pg';
import { startEmbeddedPostgres } from '../../src/adapters/embedded-postgres/cluster.ts';

/** A process that starts a cluster, tells its parent about it, and never stops it. */
const postgres = await startEmbeddedPostgres();
const client = new Client(postgres.url);
await client.connect();
const { rows } = await client.query<{ cluster_name: string }>('SHOW cluster_name');
await client.end();
process.send?.({ tag: rows[0]?.cluster_name, dataDir: postgres.dataDir });
