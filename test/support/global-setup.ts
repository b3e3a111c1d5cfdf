import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../src/adapters/embedded-postgres/cluster.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The superuser's URL of the PostgreSQL that all test files of this run share. */
    postgresUrl: string;
  }
}

/** Starts the shared PostgreSQL of a test run; the result stops it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const postgres = await startEmbeddedPostgres({ settings: { max_connections: '200' } });
  project.provide('postgresUrl', postgres.url);
  return () => postgres.stop();
}
