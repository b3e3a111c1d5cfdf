import { type Backend, incarnationOf, sameBackend } from './backend.ts';

/** A backend that a daemon knows at the moment: it takes part, or it drains. */
export interface LiveBackend {
  readonly backend: Backend;
  readonly isDraining: boolean;
  /** Open or being opened. */
  readonly connections: number;
}

/** A column of the `backends` table with another value than before; `null` where it says nothing. */
export interface ColumnChange {
  readonly column: string;
  readonly old: unknown;
  readonly new: unknown;
}

/** What a new list would do to one backend; its `connections` are those of now. */
export type BackendStep =
  | { readonly kind: 'comes'; readonly backend: Backend }
  /** It drains: no new client, and the connections go on until they end, or the drain timeout is over. */
  | {
      readonly kind: 'leaves';
      readonly backend: Backend;
      readonly connections: number;
      /** Its row is gone, is none of a backend, is marked as deleted, or has another address: another backend. */
      readonly cause: 'missing' | 'invalid' | 'deleted' | 'moved';
    }
  /** It drains already, and takes part again. */
  | { readonly kind: 'returns'; readonly backend: Backend; readonly connections: number }
  | {
      readonly kind: 'changes';
      readonly backend: Backend;
      readonly connections: number;
      readonly columns: readonly ColumnChange[];
    };

/**
 * What would become of the backends if a list took the place of the one in force. A pure function; the steps are
 * ordered by id, a backend that moves leaves before it comes.
 *
 * @param live everything that takes part or drains now
 * @param next the whole list, deleted ones included
 * @param invalid ids of rows that cannot be a backend
 */
export function planBackends(
  live: readonly LiveBackend[],
  next: readonly Backend[],
  invalid: ReadonlySet<string> = new Set(),
): readonly BackendStep[] {
  const now = new Map(live.map((one) => [incarnationOf(one.backend), one]));
  const wanted = next.filter(({ deleted }) => !deleted);
  const wantedIncarnations = new Set(wanted.map(incarnationOf));
  const rows = new Map(next.map((row) => [row.id, row]));
  const leaving = live
    .filter(({ backend, isDraining }) => !isDraining && !wantedIncarnations.has(incarnationOf(backend)))
    .map(({ backend, connections }): BackendStep => {
      const cause = invalid.has(backend.id) ? 'invalid' : causeOf(rows.get(backend.id));
      return { kind: 'leaves', backend, connections, cause };
    });
  const others = wanted.flatMap((backend): readonly BackendStep[] => {
    const before = now.get(incarnationOf(backend));
    if (before === undefined) return [{ kind: 'comes', backend }];
    const { connections } = before;
    if (before.isDraining) return [{ kind: 'returns', backend, connections }];
    if (sameBackend(before.backend, backend)) return [];
    return [{ kind: 'changes', backend, connections, columns: columnChanges(before.backend, backend) }];
  });
  return [...leaving, ...others].toSorted(byId);
}

function causeOf(row: Backend | undefined): 'missing' | 'deleted' | 'moved' {
  if (row === undefined) return 'missing';
  return row.deleted ? 'deleted' : 'moved';
}

function byId({ backend: { id: one } }: BackendStep, { backend: { id: other } }: BackendStep): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

/** The columns that may differ while a backend stays the one it is, as the table has them. */
const COLUMNS: Readonly<Record<string, (backend: Backend) => unknown>> = {
  app: ({ app }) => app,
  region: ({ region }) => region,
  country: ({ country }) => country,
  healthy: ({ adminUp }) => Number(adminUp),
  weight: ({ weight }) => weight,
  soft_limit: ({ softLimit }) => softLimit,
  hard_limit: ({ hardLimit }) => hardLimit,
  health_check: ({ health }) =>
    health && { type: health.type, path: health.path, expected_status: health.expectedStatus },
  proxy_protocol: ({ proxyProtocol }) => proxyProtocol,
};

function columnChanges(before: Backend, after: Backend): readonly ColumnChange[] {
  return Object.entries(COLUMNS).flatMap(([column, read]) => {
    const [old, next] = [read(before) ?? null, read(after) ?? null];
    return JSON.stringify(old) === JSON.stringify(next) ? [] : [{ column, old, new: next }];
  });
}
