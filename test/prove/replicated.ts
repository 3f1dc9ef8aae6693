/** A limiter as many are: it counts well, in memory, and there are as many of it as there are processes. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Contestant } from '../../prove/contestant.ts';
import { slidingWindow } from '../../src/dev/model-window.ts';
import type { Bus, Message } from '../../src/bus/bus.ts';
import { subjects } from '../../src/bus/subjects.ts';
import { permitIdOf } from '../../src/limiter/permit-id.ts';
import type { Permit } from '../../src/limiter/permits.ts';

const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));
const valueOf = ({ data }: Message): number => Number(JSON.parse(Buffer.from(data).toString()));

const permit: Permit = {
  id: permitIdOf('1.1.1'),
  budget: '',
  waitedMs: 0,
  inTime: () => true,
  begun: () => undefined,
  whenOver: () => ({ cancel: () => undefined }),
  sent: () => undefined,
  heard: () => undefined,
  unsent: () => undefined,
  settle: () => undefined,
};

const answering = (bus: Bus, subject: string, answer: (message: Message) => unknown): void =>
  void bus.subscribe(
    subject,
    (message) => {
      if (message.reply !== undefined) bus.publish(message.reply, bytes(answer(message)));
    },
    { queue: 'replicated' },
  );

const replicated: Contestant = {
  provision: async () => undefined,

  candidate: async ({ bus, clock, budget, node }) => {
    const [requests, tokens] = budget.windows;
    const window = slidingWindow({ ...(requests && { requests }), ...(tokens && { tokens }) });
    answering(bus, subjects.limiter(budget.name, 'acquire'), (message) => {
      const admission = window.admit(clock.monotonic(), valueOf(message));
      return admission.admitted ? 0 : admission.retryAfterMs;
    });
    answering(bus, subjects.limiter(budget.name, 'status'), () => ({
      ...{ node, epoch: 1, waiting: 0, active: 0, unconfirmed: 0, windows: [] },
    }));
    await bus.flush();
  },

  caller: ({ bus, budget }) => ({
    acquire: async ({ amount, signal }) => {
      for (;;) {
        const answer = await bus.request(subjects.limiter(budget.name, 'acquire'), bytes(amount.tokens));
        const waitMs = valueOf(answer);
        if (waitMs === 0) return permit;
        await sleep(waitMs, undefined, { signal });
      }
    },
    call: async (_first, _next, { url, ...request }) => {
      const response = await fetch(url, { method: 'POST', ...request });
      await response.arrayBuffer();
      return response.status;
    },
    close: async () => undefined,
  }),
};

export default replicated;
