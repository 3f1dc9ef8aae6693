/** Ports of 127.0.0.1 that were free just now: for servers that cannot choose one themselves and tell it. */
import { createServer } from 'node:net';
import { UnavailableError } from '../kernel/errors.ts';

/** Answers the port that was bound; rejects where that is taken. */
const probe = (port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });

export const freePort = (): Promise<number> => probe(0);

const isFree = (port: number): Promise<boolean> =>
  probe(port).then(
    () => true,
    () => false,
  );

/**
 * What `start` answers on the first free port from `first` on. Another process may take a port between our looking and the
 * server's binding: then the next one is tried.
 */
export const onFreePort = async <T>(first: number, start: (port: number) => Promise<T>): Promise<T> => {
  for (let from = first; ; ) {
    const port = await freePortFrom(from);
    try {
      return await start(port);
    } catch (error) {
      if (!(error instanceof UnavailableError && error.message.includes('address already in use'))) throw error;
      from = port + 1;
    }
  }
};

/** The first free port from `first` on that is not in `taken`. Throws UnavailableError after a hundred. */
export const freePortFrom = async (first: number, taken: readonly number[] = []): Promise<number> => {
  for (let port = first; port < first + 100; port += 1) {
    if (!taken.includes(port) && (await isFree(port))) return port;
  }
  throw new UnavailableError(`no port of 127.0.0.1 is free from ${first} to ${first + 99}`);
};
