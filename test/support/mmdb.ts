import ipaddr from 'ipaddr.js';

/** An unsigned number of a MaxMind DB; the format stores each width as a type of its own. */
export class MmdbUint {
  readonly bits: 16 | 32 | 64;
  readonly value: number;

  constructor(bits: 16 | 32 | 64, value: number) {
    this.bits = bits;
    this.value = value;
  }
}

export type MmdbValue =
  | string
  | boolean
  | MmdbUint
  | readonly MmdbValue[]
  | { readonly [key: string]: MmdbValue };

export interface MmdbOptions {
  /** Network to data; the most specific network of an address answers. */
  readonly networks: Readonly<Record<string, MmdbValue>>;
  /** 4 takes IPv4 networks only; 6 takes both, with IPv4 below `::/96`. */
  readonly ipVersion?: 4 | 6;
  readonly recordSize?: 24 | 28 | 32;
  readonly databaseType?: string;
  /** Makes `::ffff:0:0/96` share the nodes of the IPv4 networks, as the vendor's files do. */
  readonly aliasMapped?: boolean;
  /** Replaces fields of the metadata, to write files that are wrong. */
  readonly metadata?: Readonly<Record<string, MmdbValue>>;
}

const MARKER = Buffer.from('\u00ab\u00cd\u00efMaxMind.com', 'latin1');
const SEPARATOR = Buffer.alloc(16);
const TYPE = { string: 2, uint16: 5, uint32: 6, map: 7, uint64: 9, array: 11, boolean: 14 } as const;

function control(type: number, size: number): Buffer {
  if (size >= 65_821) throw new RangeError(`a size of ${size} is more than this writer knows`);
  const extended = type > 7 ? [type - 7] : [];
  const head = (type > 7 ? 0 : type) << 5;
  if (size < 29) return Buffer.from([head | size, ...extended]);
  if (size < 285) return Buffer.from([head | 29, ...extended, size - 29]);
  const rest = size - 285;
  return Buffer.from([head | 30, ...extended, rest >> 8, rest & 255]);
}

function encodeUint({ bits, value }: MmdbUint): Buffer {
  const hex = value === 0 ? '' : value.toString(16);
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
  return Buffer.concat([control(TYPE[`uint${bits}`], bytes.length), bytes]);
}

function isList(value: MmdbValue): value is readonly MmdbValue[] {
  return Array.isArray(value);
}

function encode(value: MmdbValue): Buffer {
  if (typeof value === 'string') {
    const bytes = Buffer.from(value);
    return Buffer.concat([control(TYPE.string, bytes.length), bytes]);
  }
  if (typeof value === 'boolean') return control(TYPE.boolean, value ? 1 : 0);
  if (value instanceof MmdbUint) return encodeUint(value);
  if (isList(value)) return Buffer.concat([control(TYPE.array, value.length), ...value.map(encode)]);
  const entries = Object.entries(value);
  return Buffer.concat([control(TYPE.map, entries.length), ...entries.flat().map(encode)]);
}

/** A subtree, an offset into the data, or nothing. */
type TreeRecord = TreeNode | number | undefined;
type TreeNode = [TreeRecord, TreeRecord];

function bitsOf(network: string, ipVersion: 4 | 6): readonly (0 | 1)[] {
  const [address, prefixLength] = ipaddr.parseCIDR(network);
  const bytes = address.toByteArray();
  if (ipVersion === 4 && bytes.length === 16)
    throw new RangeError(`${network} does not fit an IPv4 database`);
  const padding = ipVersion === 6 && bytes.length === 4 ? 96 : 0;
  return Array.from({ length: padding + prefixLength }, (_, index) => {
    const at = index - padding;
    return at < 0 || ((bytes[at >> 3]! >> (7 - (at & 7))) & 1) === 0 ? 0 : 1;
  });
}

function childOf(node: TreeNode, side: 0 | 1): TreeNode {
  const record = node[side];
  if (Array.isArray(record)) return record;
  const child: TreeNode = [record, record];
  node[side] = child;
  return child;
}

function put(root: TreeNode, bits: readonly (0 | 1)[], record: TreeRecord): void {
  const last = bits.at(-1);
  if (last === undefined) throw new RangeError('a network of every address has no place in a tree');
  const node = bits.slice(0, -1).reduce(childOf, root);
  node[last] = record;
}

function numberNodes(root: TreeNode): Map<TreeNode, number> {
  const numbers = new Map<TreeNode, number>([[root, 0]]);
  for (const node of numbers.keys()) {
    for (const record of node) {
      if (Array.isArray(record) && !numbers.has(record)) numbers.set(record, numbers.size);
    }
  }
  return numbers;
}

function encodeNode(left: number, right: number, recordSize: 24 | 28 | 32): Buffer {
  if (Math.max(left, right) >= 2 ** recordSize)
    throw new RangeError(`a record does not fit ${recordSize} bits`);
  const node = Buffer.alloc(recordSize / 4);
  if (recordSize === 32) {
    node.writeUInt32BE(left, 0);
    node.writeUInt32BE(right, 4);
    return node;
  }
  node.writeUIntBE(left & 0xff_ffff, 0, 3);
  node.writeUIntBE(right & 0xff_ffff, recordSize === 24 ? 3 : 4, 3);
  if (recordSize === 28) node.writeUInt8(((left >>> 24) << 4) | (right >>> 24), 3);
  return node;
}

function encodeTree(
  root: TreeNode,
  recordSize: 24 | 28 | 32,
): { readonly tree: Buffer; readonly count: number } {
  const numbers = numberNodes(root);
  const count = numbers.size;
  const numberOf = (record: TreeRecord): number => {
    if (record === undefined) return count;
    return typeof record === 'number' ? count + SEPARATOR.length + record : numbers.get(record)!;
  };
  const nodes = [...numbers.keys()].map(([left, right]) =>
    encodeNode(numberOf(left), numberOf(right), recordSize),
  );
  return { tree: Buffer.concat(nodes), count };
}

/** Writes a MaxMind DB. Source: MaxMind DB File Format Specification 2.0. */
export function writeMmdb(options: MmdbOptions): Buffer {
  const { ipVersion = 6, recordSize = 24, databaseType = 'Test-Country' } = options;
  const root: TreeNode = [undefined, undefined];
  const pieces = new Map<string, { readonly offset: number; readonly bytes: Buffer }>();
  let dataSize = 0;
  const networks = Object.entries(options.networks)
    .map(([network, value]) => ({ bits: bitsOf(network, ipVersion), value }))
    .toSorted((a, b) => a.bits.length - b.bits.length);
  for (const { bits, value } of networks) {
    const key = JSON.stringify(value);
    const piece = pieces.get(key) ?? { offset: dataSize, bytes: encode(value) };
    if (!pieces.has(key)) dataSize += piece.bytes.length;
    pieces.set(key, piece);
    put(root, bits, piece.offset);
  }
  if (options.aliasMapped === true) {
    const ipv4Root = bitsOf('0.0.0.0/0', ipVersion).reduce(childOf, root);
    put(root, bitsOf('::ffff:0:0/96', ipVersion), ipv4Root);
  }
  const { tree, count } = encodeTree(root, recordSize);
  const metadata = encode({
    node_count: new MmdbUint(32, count),
    record_size: new MmdbUint(16, recordSize),
    ip_version: new MmdbUint(16, ipVersion),
    database_type: databaseType,
    languages: ['en'],
    binary_format_major_version: new MmdbUint(16, 2),
    binary_format_minor_version: new MmdbUint(16, 0),
    build_epoch: new MmdbUint(64, 1_700_000_000),
    description: { en: 'written by a test' },
    ...options.metadata,
  });
  return Buffer.concat([
    tree,
    SEPARATOR,
    ...[...pieces.values()].map(({ bytes }) => bytes),
    MARKER,
    metadata,
  ]);
}

/** Data as a country database has it. */
export function countryRecord(
  isoCode: string,
  kind: 'country' | 'registered_country' = 'country',
): MmdbValue {
  return {
    [kind]: { geoname_id: new MmdbUint(32, 1), iso_code: isoCode, names: { en: `Land of ${isoCode}` } },
  };
}
