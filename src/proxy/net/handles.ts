import { getSystemErrorMap } from 'node:util';
import type { WireEnds } from './wire.ts';

/** What one end of a socket is filled in as. */
export interface HandleEnd {
  address?: string;
  port?: number;
}

/** A socket of libuv, as `net.Socket` itself drives it. Errors are numbers of the system, below zero. */
export interface TcpHandle {
  onread: ((this: TcpHandle) => Uint8Array | undefined) | undefined;
  readonly writeQueueSize: number;
  /** Absent, or -1, where the system has none. */
  readonly fd?: number;
  useUserBuffer(buffer: Uint8Array): void;
  readStart(): number;
  readStop(): number;
  /** 0, an error, or the request of a write that the kernel has not taken as a whole. */
  writeBuffer(request: null, bytes: Uint8Array): number | WriteRequest;
  shutdown(request: ShutdownRequest): number;
  connect(request: ConnectRequest, host: string, port: number): number;
  connect6(request: ConnectRequest, host: string, port: number): number;
  getpeername(out: HandleEnd): number;
  getsockname(out: HandleEnd): number;
  setNoDelay(isOn: boolean): number;
  setKeepAlive(isOn: boolean, delaySeconds: number): number;
  reset(): number;
  close(): void;
}

/** Undefined for a socket that has no peer any more. */
export function endsOf(handle: TcpHandle): WireEnds | undefined {
  const [peer, own]: [HandleEnd, HandleEnd] = [{}, {}];
  if (handle.getpeername(peer) !== 0 || handle.getsockname(own) !== 0) return undefined;
  return {
    remoteAddress: peer.address!,
    remotePort: peer.port!,
    localAddress: own.address!,
    localPort: own.port!,
  };
}

interface Request {
  oncomplete: ((this: this, status: number) => void) | undefined;
}

export interface WriteRequest extends Request {
  /** Set when the write was over before `oncomplete` could be. */
  readonly writeStatus?: number | null;
}

export type ShutdownRequest = Request;
export type ConnectRequest = Request;

/** What accepts: the handle of a `net.Server`. */
export interface ServerHandle {
  onconnection: (status: number, client: TcpHandle) => void;
}

/** The parts of Node below `net.Socket` that the portable engine uses. */
export interface Handles {
  readonly newSocket: () => TcpHandle;
  readonly newConnect: () => ConnectRequest;
  readonly newShutdown: () => ShutdownRequest;
  /** Numbers of the call or event that happens at the moment. */
  readonly state: Int32Array;
  readonly readResult: number;
  readonly lastWriteError: number;
}

/** What a read returns at the end. */
export const END_OF_FILE = [...getSystemErrorMap()].find(([, [name]]) => name === 'EOF')![0];

const METHODS = [
  'useUserBuffer',
  'readStart',
  'readStop',
  'writeBuffer',
  'shutdown',
  'connect',
  'connect6',
  'getpeername',
  'getsockname',
  'setNoDelay',
  'setKeepAlive',
  'reset',
  'close',
];

type Maker = new (type?: number) => unknown;

interface StreamBinding {
  readonly ShutdownWrap: Maker;
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  /** Since writes make their requests themselves, and only when they need one: what `writeBuffer(null, …)` relies on. */
  readonly kLastWriteErr: number;
}

interface TcpBinding {
  readonly TCP: Maker;
  readonly TCPConnectWrap: Maker;
  readonly constants: { readonly SOCKET: number };
}

/** The handles of this Node, or why they cannot be used: they are no public API, so each part is looked at first. */
export function findHandles(): Handles | { readonly reason: string } {
  const { binding } = process as { readonly binding?: (name: string) => unknown };
  if (typeof binding !== 'function') return { reason: 'process.binding is not there' };
  try {
    return handlesOf(
      binding('stream_wrap') as Partial<StreamBinding>,
      binding('tcp_wrap') as Partial<TcpBinding>,
    );
  } catch (error) {
    return { reason: `process.binding: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** @returns the handles, or the first part that is missing */
export function handlesOf(
  { ShutdownWrap, streamBaseState, kReadBytesOrError, kLastWriteErr }: Partial<StreamBinding>,
  { TCP, TCPConnectWrap, constants }: Partial<TcpBinding>,
): Handles | { readonly reason: string } {
  if (typeof TCP !== 'function') return missing('TCP');
  if (typeof constants?.SOCKET !== 'number') return missing('TCP.SOCKET');
  if (typeof TCPConnectWrap !== 'function') return missing('TCPConnectWrap');
  if (typeof ShutdownWrap !== 'function') return missing('ShutdownWrap');
  if (!ArrayBuffer.isView(streamBaseState)) return missing('streamBaseState');
  if (typeof kReadBytesOrError !== 'number') return missing('kReadBytesOrError');
  if (typeof kLastWriteErr !== 'number') return missing('kLastWriteErr');
  const prototype = TCP.prototype as Record<string, unknown>;
  const method = METHODS.find((name) => typeof prototype[name] !== 'function');
  if (method !== undefined) return missing(`TCP.${method}`);
  const type = constants.SOCKET;
  return {
    newSocket: () => new TCP(type) as TcpHandle,
    newConnect: () => new TCPConnectWrap() as ConnectRequest,
    newShutdown: () => new ShutdownWrap() as ShutdownRequest,
    state: streamBaseState,
    readResult: kReadBytesOrError,
    lastWriteError: kLastWriteErr,
  };
}

function missing(name: string): { readonly reason: string } {
  return { reason: `Node ${process.versions.node} has no ${name}` };
}
