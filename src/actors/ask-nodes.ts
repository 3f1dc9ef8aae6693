/** A question to all nodes, which the one answers that it is about, if there is one. */
import type { Bus } from '../bus/bus.ts';
import { isUnanswered } from '../kernel/unanswered.ts';

const nothing = new Uint8Array();
/** Those that it is not about say nothing. */
const patienceMs = 500;

/** The answer's data; `undefined` where no node that can be reached is the one. */
export const askNodes = async (bus: Pick<Bus, 'request'>, subject: string): Promise<Uint8Array | undefined> => {
  try {
    return (await bus.request(subject, nothing, { timeoutMs: patienceMs })).data;
  } catch (error) {
    if (isUnanswered(error)) return undefined;
    throw error;
  }
};
