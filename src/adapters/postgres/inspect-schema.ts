import { z } from 'zod';
import { TRIGGER_NAME } from './names.ts';
import type { Query } from './pool.ts';

const INSPECT = `
SELECT
  format('%I', n.nspname) AS schema,
  format('%I.%I', n.nspname, c.relname) AS "table",
  c.relkind IN ('r', 'p') AS "isTable",
  ARRAY(
    SELECT i.relname::text FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid WHERE x.indrelid = c.oid
  ) AS indexes,
  (
    SELECT g.tgenabled IN ('O', 'A') FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = $1
  ) AS "triggerEnabled",
  ARRAY(
    SELECT a.attname::text FROM pg_trigger g JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (g.tgattr)
    WHERE g.tgrelid = c.oid AND g.tgname = $1
  ) AS "triggerColumns",
  ARRAY(
    SELECT json_build_object(
      'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'baseType', b.typname
    )
    FROM pg_attribute a
    JOIN pg_type t ON t.oid = a.atttypid
    JOIN pg_type b ON b.oid = CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  ) AS columns
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = to_regclass('backends')`;

const foundSchema = z.object({
  /** Quoted where needed, ready for a statement. */
  schema: z.string(),
  /** Qualified, and quoted where needed. */
  table: z.string(),
  isTable: z.boolean(),
  indexes: z.array(z.string()),
  /** `null` when there is none, `false` when somebody switched it off. */
  triggerEnabled: z.boolean().nullable(),
  /** The columns whose update it notifies. */
  triggerColumns: z.array(z.string()),
  columns: z.array(z.object({ name: z.string(), type: z.string(), baseType: z.string() })),
});

export type FoundSchema = z.output<typeof foundSchema>;

/** What a plain `backends` means to this session, or `undefined` when there is nothing of that name. */
export async function inspectSchema(query: Query): Promise<FoundSchema | undefined> {
  const [row] = await query(INSPECT, [TRIGGER_NAME]);
  return row === undefined ? undefined : foundSchema.parse(row);
}
