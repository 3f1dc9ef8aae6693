/** A TCP proxy before a server, so that tests can lose, hold and delay what goes either way. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { systemClock } from '../../src/kernel/clock.ts';

/** `requests` go from the client to the server, `replies` the other way. */
export type Direction = 'requests' | 'replies';

export interface Proxy {
  /** The server's URL with the proxy's port. */
  readonly url: string;
  readonly port: number;
  /** Connections that are open now. */
  readonly connections: number;
  /** Holds what goes this way, or both ways, until `pass`. */
  pause(direction?: Direction): void;
  /** Loses what goes this way, or both ways. Streams of messages are torn by it: `cut` before `pass`. */
  drop(direction?: Direction): void;
  /** Delivers in order, each chunk `ms` after it came. */
  delay(ms: number, direction?: Direction): void;
  /** Ends `pause`, `drop` and `delay`. */
  pass(direction?: Direction): void;
  /** Breaks every connection; new ones are accepted. */
  cut(): void;
  /** Breaks every connection, and every new one, until `accept`. */
  refuse(): void;
  accept(): void;
  /** Resolves with the next connection that is accepted. */
  connected(): Promise<void>;
  stop(): Promise<void>;
}

type Mode =
  | { readonly is: 'pass' }
  | { readonly is: 'pause' }
  | { readonly is: 'drop' }
  | { readonly is: 'delay'; readonly ms: number };

const pass: Mode = { is: 'pass' };

/** One way through: chunks held for `pause` and `delay` keep their order. */
interface Lane {
  readonly direction: Direction;
  readonly send: (chunk: Buffer) => void;
  readonly held: Buffer[];
  /** When the last delayed chunk is due, by the monotonic clock. */
  dueMs: number;
}

const forward = (lane: Lane, chunk: Buffer, mode: Mode): void => {
  const now = systemClock.monotonic();
  if (mode.is === 'drop') return;
  if (mode.is === 'pause') {
    lane.held.push(chunk);
    return;
  }
  const due = Math.max(lane.dueMs, mode.is === 'delay' ? now + mode.ms : now);
  if (due <= now) return lane.send(chunk);
  lane.dueMs = due;
  // Node's timers count whole milliseconds, by a clock that stands still while a turn lasts: they may be early by one.
  systemClock.timer(due - now + 1, () => lane.send(chunk));
};

/** Resolves when it listens, on a free port of 127.0.0.1, before the server that `target` is the URL of. */
export const startProxy = async (target: string): Promise<Proxy> => {
  const { hostname, port: serverPort } = new URL(target);
  const modes: Record<Direction, Mode> = { requests: pass, replies: pass };
  const sockets = new Set<Socket>();
  const lanes = new Set<Lane>();
  let refusing = false;

  const link = (direction: Direction, from: Socket, to: Socket): void => {
    const lane: Lane = { direction, send: (chunk) => void (to.writable && to.write(chunk)), held: [], dueMs: 0 };
    lanes.add(lane);
    from.on('data', (chunk: Buffer) => forward(lane, chunk, modes[direction]));
    from.on('error', () => undefined); // 'close' follows
    from.on('close', () => {
      lanes.delete(lane);
      sockets.delete(from);
      to.destroy();
    });
  };

  const listener = createServer((client) => {
    if (refusing) return void client.resetAndDestroy();
    const server = connect(Number(serverPort), hostname);
    sockets.add(client).add(server);
    link('requests', client, server);
    link('replies', server, client);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo; // it listens on a port, not on a pipe
  const url = Object.assign(new URL(target), { port });

  const set = (mode: Mode, direction?: Direction): void => {
    for (const each of direction === undefined ? (['requests', 'replies'] as const) : [direction]) modes[each] = mode;
    for (const lane of lanes) {
      for (const chunk of lane.held.splice(0)) forward(lane, chunk, modes[lane.direction]);
    }
  };
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };

  return {
    url: url.href,
    port,
    get connections() {
      return sockets.size / 2;
    },
    pause: (direction) => set({ is: 'pause' }, direction),
    drop: (direction) => set({ is: 'drop' }, direction),
    delay: (ms, direction) => set({ is: 'delay', ms }, direction),
    pass: (direction) => set(pass, direction),
    cut,
    refuse: () => {
      refusing = true;
      cut();
    },
    accept: () => {
      refusing = false;
    },
    connected: async () => void (await once(listener, 'connection')),
    stop: async () => {
      listener.close();
      cut();
      await once(listener, 'close');
    },
  };
};
