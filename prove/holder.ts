/** Whose turn it is to grant, and what that one says is reserved: asked as anybody may, over the bus. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Bus } from '../src/bus/bus.ts';
import { subjects } from '../src/bus/subjects.ts';
import { budgetName } from './load.ts';
import { machineMs } from './process.ts';

const status = z.object({
  node: z.string(),
  epoch: z.number(),
  waiting: z.number(),
  active: z.number(),
  unconfirmed: z.number(),
  windows: z.array(z.object({ unit: z.string(), used: z.number() })),
});

export type Status = z.infer<typeof status>;

/** `undefined`: nobody answers. */
const ask = async (bus: Bus, timeoutMs = 300): Promise<Status | undefined> => {
  const answer = await bus
    .request(subjects.limiter(budgetName, 'status'), Buffer.from('{}'), { timeoutMs })
    .catch(() => undefined); // Between two holders nobody answers; who asks again sees whether that ends.
  if (!answer) return undefined;
  return status.safeParse(JSON.parse(Buffer.from(answer.data).toString())).data;
};

/** Asks until `good` is answered, or `forMs` are over. */
export const askUntil = async (
  bus: Bus,
  good: (found: Status) => boolean,
  forMs: number,
  signal?: AbortSignal,
): Promise<Status | undefined> => {
  const untilMs = machineMs() + forMs;
  do {
    const found = await ask(bus);
    if (found && good(found)) return found;
    await sleep(50);
  } while (machineMs() < untilMs && !signal?.aborted);
  return undefined;
};

/** Nobody waits, nothing is on its way, and every window is as empty as if nothing had ever been asked for. */
export const reservedIn = ({ waiting, active, unconfirmed, windows }: Status): number =>
  waiting + active + unconfirmed + windows.reduce((sum, { used }) => sum + used, 0);
