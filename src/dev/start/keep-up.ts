/** The servers beside us are as mortal as the nodes: who kills one to see what happens has it back at once. */
import type { Clock } from '../../kernel/clock.ts';
import type { Server } from '../server.ts';
import type { Terminal } from './terminal.ts';

const lookMs = 500;

/** Starts each of them again when it has ended by itself, until what it answers is called and has resolved. */
export const keepUp = (
  servers: Readonly<Record<string, Server | undefined>>,
  { clock, terminal }: { readonly clock: Clock; readonly terminal: Terminal },
): (() => Promise<void>) => {
  const restarting = new Map<string, Promise<void>>();

  const restart = async (name: string, server: Server): Promise<void> => {
    terminal.event(`${name} ${server.ending ?? 'has ended'}; it is started again`);
    await server.restart().catch((error: unknown) => terminal.event(String(error))); // And tried again at the next look.
    restarting.delete(name);
  };

  const looking = clock.every(lookMs, () => {
    for (const [name, server] of Object.entries(servers)) {
      if (server && server.pid === undefined && !restarting.has(name)) restarting.set(name, restart(name, server));
    }
  });

  return async () => {
    looking.cancel();
    await Promise.all(restarting.values());
  };
};
