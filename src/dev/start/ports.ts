import { createServer } from 'node:net';
import { UnavailableError } from '../../kernel/errors.ts';

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });

/** The first free port of 127.0.0.1 from `first` on that is not in `taken`. Throws UnavailableError after a hundred. */
export const freePortFrom = async (first: number, taken: readonly number[] = []): Promise<number> => {
  for (let port = first; port < first + 100; port += 1) {
    if (!taken.includes(port) && (await isFree(port))) return port;
  }
  throw new UnavailableError(`no port of 127.0.0.1 is free from ${first} to ${first + 99}`);
};
