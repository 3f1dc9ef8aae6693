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

export const startProxy = async ({ to, random }: ProxyOptions): Promise<Proxy> => {
  const sockets = new Set<Socket>();
  const held: (() => void)[] = [];
  let isCut = false;
  let mostMs = 0;

  /** Runs `act` once the network is whole. */
  const whenWhole = (act: () => void): void => {
    if (isCut) held.push(act);
    else act();
  };

  /** Hands on in order what comes in at its own time. */
  const forward = (from: Socket, into: Socket): void => {
    let lastMs = 0;
    const line: (() => void)[] = [];
    const after = (act: () => void): void => {
      const dueMs = Math.max(lastMs, nowMs() + mostMs * random.next());
      lastMs = dueMs;
      const waitMs = dueMs - nowMs();
      // Timers of one length fire in order, those of different lengths only if nothing holds them up: hence the queue.
      line.push(act);
      const next = (): void => whenWhole(() => line.shift()?.());
      if (waitMs > 0) setTimeout(next, waitMs);
      else next();
    };
    from.on('data', (chunk) => after(() => into.destroyed || into.write(chunk)));
    from.on('end', () => after(() => into.end()));
    from.on('close', () => after(() => into.destroy()));
    from.on('error', () => undefined); // 'close' follows.
  };

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    sockets.add(near);
    near.once('close', () => sockets.delete(near));
    near.on('error', () => undefined);
    whenWhole(() => {
      const far = connect({ port: to, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
      sockets.add(far);
      far.once('close', () => sockets.delete(far));
      forward(near, far);
      forward(far, near);
    });
  });
  const port = await listen(server);

  return {
    port,
    cut: () => void (isCut = true),
    heal: () => {
      isCut = false;
      for (const act of held.splice(0)) act();
    },
    delay: (ms) => void (mostMs = ms),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
};
