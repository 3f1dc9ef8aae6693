/** Where tasks report what they do, so that a test knows what was done how often, and can hold them in the middle of it. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Ledger {
  readonly url: string;
  /** How often each was reported: `<task>.<what>`. */
  readonly calls: ReadonlyMap<string, number>;
  /** From now on, whoever reports this waits for `release`. */
  hold(what: string): void;
  /** Lets go of all who wait, and holds nobody any more. */
  release(): void;
  /** Resolves when so many wait whose connections are open. */
  held(count: number): Promise<void>;
}

/** Goes away with the test. */
export const startLedger = async (): Promise<Ledger> => {
  const calls = new Map<string, number>();
  const waiting = new Set<ServerResponse>();
  const watchers = new Set<() => void>();
  let holding: string | undefined;
  const changed = (): void => {
    for (const look of watchers) look();
  };

  const server = createServer((request, response) => {
    const what = (request.url ?? '').slice(1);
    calls.set(what, (calls.get(what) ?? 0) + 1);
    request.resume();
    if (holding === undefined || !what.endsWith(`.${holding}`)) return void response.end();
    waiting.add(response);
    // Whoever dies waits no more.
    response.once('close', () => {
      waiting.delete(response);
      changed();
    });
    changed();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // it listens on a port, not on a pipe
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  return {
    url: `http://127.0.0.1:${port}`,
    calls,
    hold: (what) => void (holding = what),
    release: () => {
      holding = undefined;
      for (const response of waiting) response.end();
    },
    held: (count) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (waiting.size !== count) return;
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
  };
};
