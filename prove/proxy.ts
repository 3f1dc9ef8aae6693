/**
 * A TCP proxy that can be cut and can be slow. Cut, it is a network that has fallen apart: nothing gets through and
 * nobody is told; what had been sent arrives when it is whole again, late. So nothing here ever closes a connection
 * that neither end has closed.
 */
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Random } from '../src/kernel/random.ts';

export interface Proxy {
  readonly port: number;
  cut(): void;
  heal(): void;
  /** What is sent from now on takes up to `mostMs` longer, in either direction; 0: none. Order is kept. */
  delay(mostMs: number): void;
  stop(): Promise<void>;
}

export interface ProxyOptions {
  /** Of 127.0.0.1. */
  readonly to: number;
  readonly random: Random;
}

const nowMs = (): number => performance.now();

const listen = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });

/** Calls back in the order in which it was asked to, each no sooner than after its delay. */
const inOrder = (delayMs: () => number) => {
  const line: (() => void)[] = [];
  let lastMs = 0;
  return (act: () => void): void => {
    const dueMs = Math.max(lastMs, nowMs() + delayMs());
    lastMs = dueMs;
    line.push(act);
    // Timers of different lengths may fire in another order than they are due, where something holds them up.
    const next = (): void => line.shift()?.();
    const waitMs = dueMs - nowMs();
    if (waitMs > 0) setTimeout(next, waitMs);
    else next();
  };
};

/** What happens once the network is whole: at once, or when it is healed, in order. */
const network = () => {
  const held: (() => void)[] = [];
  let isCut = false;
  return {
    whenWhole: (act: () => void): void => {
      if (isCut) held.push(act);
      else act();
    },
    cut: (): void => void (isCut = true),
    heal: (): void => {
      isCut = false;
      for (const act of held.splice(0)) act();
    },
  };
};

export const startProxy = async ({ to, random }: ProxyOptions): Promise<Proxy> => {
  const sockets = new Set<Socket>();
  const { whenWhole, cut, heal } = network();
  let mostMs = 0;

  const forward = (from: Socket, into: Socket): void => {
    const later = inOrder(() => mostMs * random.next());
    const after = (act: () => void): void => later(() => whenWhole(act));
    from.on('data', (chunk) => after(() => into.destroyed || into.write(chunk)));
    from.on('end', () => after(() => into.end()));
    from.on('close', () => after(() => into.destroy()));
  };
  const keep = (socket: Socket): Socket => {
    sockets.add(socket);
    socket.on('error', () => undefined); // 'close' follows.
    return socket.once('close', () => sockets.delete(socket));
  };

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    keep(near);
    whenWhole(() => {
      const far = keep(connect({ port: to, host: '127.0.0.1', allowHalfOpen: true, noDelay: true }));
      forward(near, far);
      forward(far, near);
    });
  });
  const port = await listen(server);

  return {
    port,
    cut,
    heal,
    delay: (ms) => void (mostMs = ms),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
};
