/**
 * Takes backends out for new clients, and in again, as their owner does it; live connections stay. Source: `drain` and
 * `ready` of HAProxy.
 */
export interface BackendSwitch {
  /** Who goes by it: every daemon of the database, or this one alone. */
  readonly scope: 'database' | 'daemon';
  /**
   * `unchanged`: it was so already. `unknown`: nobody has this id, or its row is marked as deleted. `kept_out`: its
   * owner says it is out elsewhere, where this does not reach. Rejects with `ERR_POSTGRES` or `ERR_STATE_DIR`, and then
   * nothing has changed.
   */
  turn(id: string, isIn: boolean): Promise<'changed' | 'unchanged' | 'unknown' | 'kept_out'>;
}
