import { afterAll, beforeAll, onTestFinished } from 'vitest';
import type { EmbeddedPostgres } from '../../src/adapters/embedded-postgres/cluster.ts';
import { startOwnCluster } from './postgres.ts';

/** A PostgreSQL that the tests of one file may kill and freeze; the next test finds it well again. */
export interface OwnCluster {
  /** The superuser's URL; known once the tests run. */
  readonly url: string;
  /** `kill -9` of every process of it. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** Stops every process of it where it stands. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
}

/** Starts the cluster before the first test of the file and stops it after the last. */
export function ownCluster(): OwnCluster {
  let cluster: EmbeddedPostgres;
  beforeAll(async () => {
    cluster = await startOwnCluster();
  });
  afterAll(() => cluster.stop());
  return {
    get url() {
      return cluster.url;
    },
    async kill() {
      onTestFinished(async () => {
        if (cluster.pid === undefined) await cluster.restart();
      });
      await cluster.kill('SIGKILL');
    },
    restart: () => cluster.restart(),
    async freeze() {
      onTestFinished(() => cluster.thaw());
      await cluster.freeze();
    },
    thaw: () => cluster.thaw(),
  };
}
