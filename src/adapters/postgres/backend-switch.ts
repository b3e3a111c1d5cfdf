import { z } from 'zod';
import type { BackendSwitch } from '../../domain/backend-switch.ts';
import type { PostgresPool } from './pool.ts';
import { orAdvice } from './postgres-error.ts';
import { YES } from './registration-statements.ts';

const NO = '0';

const LOOK = 'SELECT healthy::int <> 0 AS "isIn" FROM backends WHERE id = $1 AND deleted::int = 0';
const TURN = 'UPDATE backends SET healthy = $2 WHERE id = $1 AND deleted::int = 0 RETURNING id';

const standing = z.object({ isIn: z.boolean() });

/**
 * The column `healthy` of the `backends` table, which is the owner's switch: every daemon goes by it, also after a
 * restart. Rejects with `ERR_POSTGRES_SCHEMA` where the daemon's role may not change it.
 */
export class RowSwitch implements BackendSwitch {
  readonly scope = 'database';
  readonly #pool: Pick<PostgresPool, 'query'>;

  constructor(pool: Pick<PostgresPool, 'query'>) {
    this.#pool = pool;
  }

  async turn(id: string, isIn: boolean): Promise<'changed' | 'unchanged' | 'unknown'> {
    // No text of PostgreSQL holds that.
    if (id.includes('\0')) return 'unknown';
    const [row] = await this.#pool.query(LOOK, [id]);
    if (row === undefined) return 'unknown';
    // An update notifies every daemon, also when it changes nothing.
    if (standing.parse(row).isIn === isIn) return 'unchanged';
    const turned = await this.#update(id, isIn ? YES : NO);
    return turned.length > 0 ? 'changed' : 'unknown';
  }

  async #update(id: string, value: string): Promise<readonly unknown[]> {
    try {
      return await this.#pool.query(TURN, [id, value]);
    } catch (thrown) {
      throw orAdvice(thrown, 'change backends: GRANT UPDATE (healthy) ON backends TO it');
    }
  }
}
