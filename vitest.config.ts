import { defineConfig } from 'vitest/config';

const BROWSER_TESTS = 'test/browser/**/*.test.ts';

const common = {
  pool: 'forks',
  testTimeout: 60_000,
  hookTimeout: 60_000,
} as const;

export default defineConfig({
  test: {
    // Most of the time of most tests is spent waiting: for timeouts, threads, processes and the database.
    maxWorkers: 3,
    coverage: { provider: 'v8', include: ['src/**/*.ts'], reporter: ['text-summary'] },
    projects: [
      {
        test: {
          ...common,
          name: 'node',
          include: ['test/**/*.test.ts', 'examples/**/*.test.ts'],
          exclude: [BROWSER_TESTS],
          globalSetup: ['test/support/global-setup.ts'],
        },
      },
      { test: { ...common, name: 'browser', include: [BROWSER_TESTS] } },
    ],
  },
});
