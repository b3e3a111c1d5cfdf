import { describe, expect, it } from 'vitest';
import { machines } from '../../src/commands/machines.ts';
import { MACHINES } from '../../src/machines/registry.ts';

const run = (name?: string, format?: string): Promise<string> => machines({ name, format });

describe('edgeproxy machines', () => {
  it('lists every machine with what it is', async () => {
    const lines = (await run()).split('\n');
    expect(lines).toHaveLength(MACHINES.length);
    expect(lines[1]).toMatch(/^backend {2,}One backend at one address: /);
  });

  it('prints Mermaid unless told otherwise', async () => {
    expect(await run('circuitBreaker')).toMatch(/^stateDiagram-v2\n/);
    expect(await run('circuitBreaker', 'mermaid')).toBe(await run('circuitBreaker'));
  });

  it('prints the configuration as JSON', async () => {
    expect(JSON.parse(await run('circuitBreaker', 'json'))).toMatchObject({
      id: 'circuitBreaker',
      initial: 'closed',
    });
  });

  it('prints a drawing', async () => {
    expect(await run('circuitBreaker', 'svg')).toMatch(/^<svg /);
  });

  it.each(['circuitbreaker', 'circuit-breaker'])(
    'does not mind how the name is spelled: %s',
    async (name) => {
      expect(await run(name)).toBe(await run('circuitBreaker'));
    },
  );

  it.each([
    ['breaker', 'did you mean circuitBreaker?'],
    ['circut', 'did you mean circuitBreaker?'],
    ['Postgres', 'did you mean postgresSubscription?'],
    ['er', 'did you mean circuitBreaker or healthChecker?'],
    ['foo', 'there are lifecycle, backend, circuitBreaker, healthChecker, postgresSubscription'],
    ['zzzzzzzz', 'there are lifecycle, backend, circuitBreaker, healthChecker, postgresSubscription'],
  ])('refuses %s, and says what is near', async (name, hint) => {
    await expect(run(name)).rejects.toMatchObject({
      code: 'ERR_USAGE',
      message: `no machine "${name}": ${hint}`,
    });
  });

  it.each(['svg', 'json', 'mermaid'])(
    'refuses to print all machines as %s, and says how to print one',
    async (format) => {
      await expect(run(undefined, format)).rejects.toMatchObject({
        code: 'ERR_USAGE',
        message:
          `--format ${format} prints one machine: edgeproxy machines NAME --format ${format}, where NAME is one of ` +
          'lifecycle, backend, circuitBreaker, healthChecker, postgresSubscription',
      });
    },
  );

  it('refuses a format that it does not know, without a name too', async () => {
    const error = { code: 'ERR_USAGE', message: '--format "png": expected one of json, mermaid, svg' };
    await expect(run('backend', 'png')).rejects.toMatchObject(error);
    await expect(run(undefined, 'png')).rejects.toMatchObject(error);
  });
});
