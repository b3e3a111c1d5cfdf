import { type ClientHello, LONGEST_HELLO_BYTES } from '../../domain/tls/client-hello.ts';
import { parseClientHello } from '../../domain/tls/parse-client-hello.ts';
import { leadsOf, ServerNames, type ServerNameTable } from '../../domain/tls/server-names.ts';
import type { RefusalReason } from '../../domain/outcome.ts';
import type { App } from '../apps.ts';
import type { Router } from '../router.ts';
import { FLAG } from './socket-table.ts';
import { StartReader, type StartReaderOptions } from './start-reader.ts';

export interface HelloReaderOptions extends Pick<
  StartReaderOptions<ClientHello>,
  'sys' | 'table' | 'sockets' | 'clock' | 'bounds'
> {
  readonly router: Router;
  readonly serverNames: ServerNameTable<App>;
  /** The number of the client's app is in its row; its greeting is still to be read. */
  readonly onApp: (client: number) => void;
  readonly onRefused: (client: number, reason: RefusalReason, detail: string) => void;
}

/** Reads the TLS greetings of clients that say by their server name whose backends they are given. */
export class HelloReader extends StartReader<ClientHello> {
  readonly #router: Router;
  #names!: ServerNames<App>;

  constructor(options: HelloReaderOptions) {
    const { router, serverNames, table, onApp, onRefused } = options;
    super({
      ...options,
      flag: FLAG.AWAITS_HELLO,
      mostBytes: LONGEST_HELLO_BYTES,
      parse: (bytes, byteCount) => parseClientHello(bytes.subarray(0, byteCount)),
      onStart: (fd, { serverName }) => {
        const app = this.#names.find(serverName);
        if (app === undefined)
          return onRefused(fd, 'unknown_server_name', `leads to no app: ${serverName ?? 'no name'}`);
        table.setOrigin(fd, table.portOf(fd), app.number);
        onApp(fd);
      },
      onRefused: (fd, problem) => onRefused(fd, 'bad_client_hello', problem),
    });
    this.#router = router;
    this.serve(serverNames);
  }

  /** Goes by other names from now on. */
  serve(serverNames: ServerNameTable<App>): void {
    for (const app of leadsOf(serverNames)) this.#router.offer(app);
    this.#names = new ServerNames(serverNames);
  }
}
