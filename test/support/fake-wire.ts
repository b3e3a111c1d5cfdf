import type { Wire, WireEnds, WireHolder, WireReader } from '../../src/proxy/net/wire.ts';

/** A wire that takes everything at once, and notes what ends it. Whoever has it says when it is closed. */
export class FakeWire implements Wire {
  readonly remoteAddress = undefined;
  readonly isBusy = false;
  /** Names of the calls that have ended it, or one direction of it. */
  readonly endings: string[] = [];
  holder: WireHolder | undefined;
  reader: WireReader | undefined;

  ends(): WireEnds | undefined {
    return undefined;
  }

  hold(holder: WireHolder): void {
    this.holder = holder;
  }

  read(reader: WireReader): void {
    this.reader = reader;
  }

  write(bytes: Uint8Array): number {
    return bytes.length;
  }

  progress(): number {
    return 0;
  }

  isConnected(): boolean {
    return true;
  }

  hasGone(): boolean {
    return false;
  }

  pause(): void {}
  resume(): void {}
  flush(): void {}
  keepAlive(): void {}

  fin(): void {
    this.endings.push('fin');
  }

  finish(): void {
    this.endings.push('finish');
  }

  close(): void {
    this.endings.push('close');
  }

  reset(): void {
    this.endings.push('reset');
  }
}
