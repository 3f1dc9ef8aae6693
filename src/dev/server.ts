import type { Child } from './child.ts';

/** A server beside us, on a port of 127.0.0.1 that it keeps over restarts. */
export interface Server {
  /** What a client connects to. */
  readonly url: string;
  readonly port: number;
  /** Undefined while it is down. */
  readonly pid: number | undefined;
  /** How it ended, where that is known; undefined while it runs. */
  readonly ending?: string | undefined;
  /** Ends it in order; resolves when it has ended. Nothing happens if it is down. */
  stop(): Promise<void>;
  /** Sends a signal, default SIGKILL. Resolves when it has ended, but at once for one that it survives, as SIGSTOP or SIGHUP. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same files; stops it before if it runs. */
  restart(): Promise<void>;
}

export interface ServerOptions {
  readonly url: string;
  readonly port: number;
  /** It runs already. */
  readonly child: Child;
  readonly stopSignal: NodeJS.Signals;
  /** Starts another child on the same port and files. */
  readonly again: () => Promise<Child>;
}

export const server = ({ url, port, child, stopSignal, again }: ServerOptions): Server => {
  let current: Child | undefined;
  let ending: string | undefined;
  const track = (started: Child): void => {
    current = started;
    ending = undefined;
    void started.exit.then((how) => {
      if (current !== started) return;
      current = undefined;
      ending = how;
    });
  };
  const kill = async (signal: NodeJS.Signals = 'SIGKILL'): Promise<void> => current?.kill(signal);
  const stop = (): Promise<void> => kill(stopSignal);
  const restart = async (): Promise<void> => {
    await stop();
    track(await again());
  };

  track(child);
  return {
    url,
    port,
    get pid() {
      return current?.pid;
    },
    get ending() {
      return ending;
    },
    stop,
    kill,
    restart,
  };
};
