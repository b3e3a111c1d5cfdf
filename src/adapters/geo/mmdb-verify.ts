import type { CountryResponse, Reader } from 'maxmind';

type Metadata = Reader<CountryResponse>['metadata'];

const METADATA_MARKER = Buffer.from('abcdef4d61784d696e642e636f6d', 'hex');
const SEPARATOR_BYTES = 16;

type RecordReader = (node: number, side: 0 | 1) => number;

function recordReader(database: Buffer, recordSize: number): RecordReader {
  switch (recordSize) {
    case 24:
      return (node, side) => database.readUIntBE(node * 6 + side * 3, 3);
    case 28:
      return (node, side) => {
        const middle = database.readUInt8(node * 7 + 3);
        const high = side === 0 ? middle >> 4 : middle & 15;
        return high * 2 ** 24 + database.readUIntBE(node * 7 + side * 4, 3);
      };
    case 32:
      return (node, side) => database.readUInt32BE(node * 8 + side * 4);
    default:
      throw new Error(`records of ${recordSize} bits are unknown: expected 24, 28 or 32`);
  }
}

function textOf(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, index) => (bytes[2 * index]! << 8) | bytes[2 * index + 1]!);
  return groups.map((group) => group.toString(16)).join(':');
}

/** Throws, saying why, when `database` does not end with a MaxMind DB metadata section. */
export function verifyMetadataMarker(database: Buffer): void {
  if (database[0] === 0x1f && database[1] === 0x8b)
    throw new Error('it is compressed with gzip: unpack it first');
  if (!database.includes(METADATA_MARKER)) throw new Error('it is not a MaxMind-format database (.mmdb)');
}

/**
 * Walks the whole search tree once, so that no lookup can meet a broken record later.
 *
 * Throws, saying what is wrong, on an unknown format, on a tree that is larger than the file, and on a record that
 * points outside of the tree and the data. `onData` gets one address of each distinct piece of data. A node that
 * several records share (IPv4 below `::ffff:0:0/96` and `2002::/16`) is walked once.
 * Source: MaxMind DB File Format Specification 2.0.
 */
export function verifyTree(database: Buffer, metadata: Metadata, onData: (address: string) => void): void {
  const { binaryFormatMajorVersion: major, ipVersion, nodeCount, searchTreeSize } = metadata;
  if (major !== 2) throw new Error(`its format version is ${major}: expected 2`);
  if (ipVersion !== 4 && ipVersion !== 6) throw new Error(`its IP version is ${ipVersion}: expected 4 or 6`);
  const dataSize = database.lastIndexOf(METADATA_MARKER) - searchTreeSize - SEPARATOR_BYTES;
  if (!Number.isSafeInteger(nodeCount) || nodeCount < 1 || !(dataSize > 0)) {
    throw new Error(`it is cut short: no room for a tree of ${nodeCount} nodes and data`);
  }
  const readRecord = recordReader(database, metadata.recordSize);
  const firstData = nodeCount + SEPARATOR_BYTES;
  const addressBits = ipVersion === 4 ? 32 : 128;
  const path = new Uint8Array(addressBits / 8);
  const walkedNodes = new Uint8Array(nodeCount);
  const seenData = new Set<number>();

  const walk = (node: number, depth: number): void => {
    if (depth === addressBits) throw new Error('its tree is deeper than an address is long');
    walkedNodes[node] = 1;
    const bit = 128 >> (depth & 7);
    for (const side of [0, 1] as const) {
      const record = readRecord(node, side);
      if (side === 1) path[depth >> 3]! |= bit;
      if (record < nodeCount) {
        if (walkedNodes[record] === 0) walk(record, depth + 1);
      } else if (record > nodeCount) {
        if (record < firstData || record >= firstData + dataSize) {
          throw new Error(`its node ${node} points outside of the data`);
        }
        if (!seenData.has(record)) {
          seenData.add(record);
          onData(textOf(path));
        }
      }
    }
    path[depth >> 3]! &= ~bit;
  };
  walk(0, 0);
}
