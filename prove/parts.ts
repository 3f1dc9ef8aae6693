/** What a process that takes part is made of. */
import { connectNats } from '../src/bus/nats/connection.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { openLog } from '../src/kernel/log.ts';
import { systemRandom } from '../src/kernel/random.ts';
import type { Budget } from '../src/limiter/budget.ts';
import type { Parts } from './contestant.ts';

export interface Membership {
  readonly name: string;
  /** Of 127.0.0.1. */
  readonly natsPort: number;
  readonly budget: Budget;
  /** A file. */
  readonly log: string;
}

export const partsOf = async ({ name, natsPort, budget, log: destination }: Membership): Promise<Parts> => {
  const { log } = openLog({ level: 'info', fields: { node: name }, destination, dropped: () => undefined });
  const base = { clock: systemClock, random: systemRandom, log };
  const { bus, queue } = await connectNats({ ...base, servers: `nats://127.0.0.1:${natsPort}`, name });
  return { ...base, bus, queue, budget };
};
