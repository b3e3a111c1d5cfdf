import type { RegistrationTables } from './registration-schema.ts';

/** Text that both an integer and a boolean column read as what is meant. */
export const YES = '1';

const secondsAgo = (time: string): string => `extract(epoch FROM clock_timestamp() - ${time})::float8`;

/**
 * The statements of the registrar. All times are those of the database: its daemons need not agree on theirs.
 *
 * A row of `backends` is a registration when it has `registered_at` and its operator has not marked it as deleted.
 * Whoever needs locks of both tables takes that of `backend_heartbeats` first.
 */
export function registrationStatements({ backends, heartbeats }: RegistrationTables) {
  const isExpired = 'coalesce(b.expired::int, 0) <> 0';
  const isRegistration = 'b.registered_at IS NOT NULL AND b.deleted::int = 0';
  const isOverdue = `least(${secondsAgo('h.last_heartbeat')}, $1::float8) >=
    h.ttl_secs * CASE WHEN ${isExpired} THEN 2 ELSE 1 END`;
  const joined = `${heartbeats} h JOIN ${backends} b ON b.id::text = h.id`;

  return {
    /** Whose an id is. $1 id */
    ownerOf: `
      SELECT b.registered_at IS NOT NULL AS "isRegistered", b.deleted::int <> 0 AS "isDeleted"
      FROM ${backends} b WHERE b.id = $1`,

    /** $1 id, $2 the TTL in seconds, $3 who asks */
    beatOfRegistration: `
      INSERT INTO ${heartbeats} (id, ttl_secs, registered_by, last_heartbeat)
      VALUES ($1, $2, $3, clock_timestamp())
      ON CONFLICT (id) DO UPDATE SET ttl_secs = EXCLUDED.ttl_secs, registered_by = EXCLUDED.registered_by,
        last_heartbeat = EXCLUDED.last_heartbeat`,

    /** Notes that the same has registered again; no column of it notifies. $1 to $9 the columns of `upsert` */
    touch: `
      UPDATE ${backends} b SET registered_at = clock_timestamp()
      WHERE b.id = $1 AND b.app = $2 AND b.region = $3 AND b.country = $4 AND b.wg_ip = $5 AND b.port = $6
        AND b.weight = $7 AND b.soft_limit = $8 AND b.hard_limit = $9 AND ${isRegistration} AND NOT (${isExpired})
      RETURNING b.id`,

    /** Leaves the switches of the operator as they are. $10 and $11 what a new row has in `healthy` and `deleted` */
    upsert: `
      INSERT INTO ${backends} AS b (id, app, region, country, wg_ip, port, weight, soft_limit, hard_limit, healthy,
        deleted, registered_at)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, clock_timestamp())
      ON CONFLICT (id) DO UPDATE SET app = EXCLUDED.app, region = EXCLUDED.region, country = EXCLUDED.country,
        wg_ip = EXCLUDED.wg_ip, port = EXCLUDED.port, weight = EXCLUDED.weight, soft_limit = EXCLUDED.soft_limit,
        hard_limit = EXCLUDED.hard_limit, registered_at = EXCLUDED.registered_at, expired = NULL
      WHERE ${isRegistration}
      RETURNING b.id`,

    /** $1 id, $2 the TTL in seconds */
    beat: `
      UPDATE ${heartbeats} SET last_heartbeat = clock_timestamp(), ttl_secs = $2 WHERE id = $1 RETURNING id`,

    /** $1 id */
    standing: `SELECT ${isExpired} AS "isExpired" FROM ${backends} b WHERE b.id = $1 AND ${isRegistration}`,

    /** $1 id */
    revive: `
      UPDATE ${backends} b SET expired = NULL WHERE b.id = $1 AND ${isRegistration} AND ${isExpired} RETURNING b.id`,

    /** $1 id */
    deregister: `DELETE FROM ${backends} b WHERE b.id = $1 AND ${isRegistration} RETURNING b.id`,

    /** $1 ids */
    forgetBeats: `DELETE FROM ${heartbeats} WHERE id = ANY($1::text[])`,

    /** @param where a condition on `b` */
    list: (where = 'true') => `
      SELECT b.id, b.app, b.region, b.country, b.wg_ip, b.port, b.healthy, b.weight, b.soft_limit, b.hard_limit,
        b.deleted, b.expired, h.ttl_secs AS "ttlSecs", ${secondsAgo('h.last_heartbeat')} AS "heardSecsAgo",
        ${secondsAgo('b.registered_at')} AS "registeredSecsAgo"
      FROM ${joined} WHERE ${isRegistration} AND ${where}`,

    /** What there is to do, without a lock. $1 for how many seconds heartbeats could have been heard */
    look: `
      SELECT count(*)::int AS count, (count(*) FILTER (WHERE ${isOverdue}))::int AS overdue
      FROM ${joined} WHERE ${isRegistration}`,

    /** Who is overdue; one whose heartbeat arrives just now, or that another daemon sweeps, is left out. $1 as above */
    lockOverdue: `
      SELECT h.id, ${isExpired} AS "isExpired" FROM ${joined}
      WHERE ${isRegistration} AND ${isOverdue}
      FOR UPDATE OF h SKIP LOCKED`,

    /** Another daemon may have been there first. $1 ids, $2 yes */
    expire: `
      UPDATE ${backends} b SET expired = $2
      WHERE b.id::text = ANY($1::text[]) AND ${isRegistration} AND NOT (${isExpired})
      RETURNING b.id`,

    /** $1 ids */
    remove: `
      DELETE FROM ${backends} b WHERE b.id::text = ANY($1::text[]) AND ${isRegistration} AND ${isExpired}
      RETURNING b.id`,

    /** Heartbeats of rows that somebody has deleted in SQL. */
    forgetOrphans: `
      DELETE FROM ${heartbeats} h
      WHERE clock_timestamp() - h.last_heartbeat > make_interval(secs => 2 * h.ttl_secs)
        AND NOT EXISTS (SELECT FROM ${backends} b WHERE b.id::text = h.id AND b.registered_at IS NOT NULL)`,
  };
}
