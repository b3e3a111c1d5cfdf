import {
  type ConnectionPage,
  type ConnectionQuery,
  isAskedFor,
  type LiveConnection,
  LOOKS_PER_PAGE,
} from '../../domain/live-connections.ts';
import type { Apps } from '../apps.ts';
import { IpAddress } from '../ip-address.ts';
import type { SlotTable } from '../slot-table.ts';
import { CELL, FLAG, type SocketTable } from './socket-table.ts';

/** The next row to look at. */
interface Place {
  readonly thread: number;
  readonly fd: number;
}

const START: Place = { thread: 0, fd: 0 };

/** Where a page begins, as the one before has said; a text that none has said is the end. */
function placeOf(after: string | undefined): Place {
  if (after === undefined) return START;
  const [, thread, fd] = /^(\d{1,5})\.(\d{1,9})$/.exec(after) ?? [];
  return thread === undefined ? { thread: Infinity, fd: 0 } : { thread: Number(thread), fd: Number(fd) };
}

/**
 * A page of the connections of all threads, read from the tables that they share: no thread is asked, or waits. What
 * changes at this moment may be shown half as it was.
 *
 * @param tables by thread; of one that is dead, nothing
 */
export function connectionPage(
  tables: readonly (SocketTable | undefined)[],
  { slots, apps }: Pick<Looking, 'slots' | 'apps'>,
  query: ConnectionQuery,
): ConnectionPage {
  const items: LiveConnection[] = [];
  const address = new IpAddress();
  let looks = 0;
  let { thread, fd } = placeOf(query.after);
  for (; thread < tables.length; thread++, fd = 0) {
    const table = tables[thread];
    const end = table === undefined ? 0 : table.highest + 1;
    for (; fd < end; fd++) {
      if (items.length === query.limit || looks === LOOKS_PER_PAGE) return { items, next: `${thread}.${fd}` };
      looks++;
      const connection = connectionAt(table!, fd, { slots, apps, query, address });
      if (connection !== undefined) items.push(connection);
    }
  }
  return { items, next: null };
}

/** Of a client's side; of those who speak for one that is not known yet, it is the last. */
const ANY_CLIENT = FLAG.CLIENT | FLAG.WAITS | FLAG.AWAITS_HELLO | FLAG.AWAITS_HEADER;

interface Looking {
  readonly slots: SlotTable;
  readonly apps: Apps;
  readonly query: ConnectionQuery;
  /** To read addresses into. */
  readonly address: IpAddress;
}

/** The connection of a client's row, if it is one of those asked for; nothing in any other. */
function connectionAt(
  table: SocketTable,
  fd: number,
  { slots, apps, query, address }: Looking,
): LiveConnection | undefined {
  const generation = table.get(fd, CELL.GENERATION);
  const flags = table.flagsOf(fd);
  const isKnown = (flags & FLAG.OPEN) !== 0 && (flags & FLAG.AWAITS_HEADER) === 0;
  if (!isKnown || (flags & ANY_CLIENT) === 0) return undefined;
  const isServed = (flags & (FLAG.WAITS | FLAG.AWAITS_HELLO)) === 0;
  const backend = isServed ? backendOf(table, fd) : undefined;
  const tenancy = backend === undefined ? -1 : table.get(backend, CELL.TENANCY);
  const incarnation = slots.holding(tenancy)?.incarnation;
  table.readAddress(fd, address);
  if (!isAskedFor({ client: address, incarnation }, query)) return undefined;
  const connection = {
    client: address.text,
    clientPort: table.portOf(fd),
    app: apps.nameOf(table.appOf(fd)),
    state: stateOf(table, flags, backend),
    incarnation,
    sinceUnixSecs: table.get(fd, CELL.ACCEPTED_SECS) >>> 0,
    ...(backend === undefined ? NO_TRAFFIC : table.trafficOf(backend)),
  };
  return table.get(fd, CELL.GENERATION) === generation ? connection : undefined;
}

const NO_TRAFFIC = { bytesSent: 0, bytesReceived: 0 };

/** Its backend's side, unless that is another one's by now. */
function backendOf(table: SocketTable, client: number): number | undefined {
  const backend = table.peerOf(client);
  if (backend < 0 || backend >= table.size || table.peerOf(backend) !== client) return undefined;
  return (table.flagsOf(backend) & (ANY_CLIENT | FLAG.OPEN | FLAG.WARM)) === FLAG.OPEN ? backend : undefined;
}

function stateOf(table: SocketTable, flags: number, backend: number | undefined): LiveConnection['state'] {
  if ((flags & FLAG.WAITS) !== 0) return 'waiting';
  return backend === undefined || table.has(backend, FLAG.CONNECTING) ? 'connecting' : 'connected';
}
