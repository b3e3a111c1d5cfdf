import { isIPv6, type Server } from 'node:net';
import { getSystemErrorName } from 'node:util';
import { Batch } from './batch.ts';
import { HandleWire } from './handle-wire.ts';
import type { ConnectRequest, Handles, ServerHandle } from './handles.ts';
import { ReadMemory } from './read-memory.ts';
import type { WireContext } from './wire-context.ts';
import type { OnClient, Transport, Wire, WireHolder } from './wire.ts';

/** The portable engine's fast way: sockets by their handles. */
export class HandleTransport implements Transport {
  readonly #context: WireContext;

  constructor(handles: Handles) {
    this.#context = { handles, memory: new ReadMemory(), batch: new Batch() };
  }

  accept(server: Server, onClient: OnClient): void {
    serverHandleOf(server)!.onconnection = (status, client) => {
      if (status < 0) server.emit('error', new Error(`accept ${getSystemErrorName(status)}`));
      else onClient(new HandleWire(client, this.#context), client.fd ?? -1);
    };
  }

  dial(host: string, port: number, holder: WireHolder): Wire {
    const { handles } = this.#context;
    const handle = handles.newSocket();
    const wire = new HandleWire(handle, this.#context);
    wire.hold(holder);
    const request: ConnectRequest & { wire?: HandleWire } = handles.newConnect();
    request.wire = wire;
    request.oncomplete = onDialled;
    const status = isIPv6(host) ? handle.connect6(request, host, port) : handle.connect(request, host, port);
    if (status !== 0) process.nextTick(() => wire.dialled(status));
    return wire;
  }
}

function onDialled(this: { wire?: HandleWire }, status: number): void {
  this.wire!.dialled(status);
}

/** What a server that listens accepts by, where Node has it as expected. */
export function serverHandleOf(server: Server): ServerHandle | undefined {
  const { _handle: handle } = server as unknown as { readonly _handle?: Partial<ServerHandle> | null };
  return typeof handle?.onconnection === 'function' ? (handle as ServerHandle) : undefined;
}
