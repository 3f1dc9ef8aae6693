/** Troupe's own limiter, by the same path as a task's: the actor, the client, and the fetch that checks at the wire. */
import { limiter } from '../src/actors/limiter.ts';
import { provision } from '../src/actors/provisioner.ts';
import { silentLog } from '../src/kernel/log.ts';
import { createMetrics } from '../src/kernel/metrics.ts';
import { permits } from '../src/limiter/client.ts';
import { limitedFetch } from '../src/llm/wire.ts';
import { withPermit } from '../src/llm/wire-call.ts';
import { supervisor } from '../src/supervisor/supervisor.ts';
import { topology } from '../src/task/topology.ts';
import type { Contestant } from './contestant.ts';

const metrics = createMetrics();

const forever = new AbortController().signal;

const troupe: Contestant = {
  provision: ({ queue }) =>
    provision(
      queue,
      topology({ region: 'main', pools: [], ackWaitMs: 30_000, replicas: 1, workBytes: 1_024 * 1_024 }),
      silentLog,
    ),

  candidate: async (parts) => {
    const start = limiter({ ...parts, metrics, version: '0.0.0' });
    const children = [{ id: 'limiter', start, restart: 'permanent', shutdownMs: 2_000 } as const];
    const root = supervisor(
      { strategy: 'one_for_one', children, intensity: 1_000, periodMs: 60_000 },
      { clock: parts.clock, onEvent: (event) => parts.log.warn({ ...event }, 'the supervisor says') },
    );
    const { exit } = await root.start(forever);
    // Its own log says why.
    void exit.then(() => process.exit(1));
  },

  caller: (parts) => {
    const budgets = new Map([[parts.budget.name, parts.budget]]);
    const { acquire, close } = permits({ ...parts, metrics, budgets });
    const wire = limitedFetch({ log: parts.log, metrics });
    return {
      acquire: (wanted) => acquire(parts.budget.name, wanted),
      call: (first, next, { url, ...request }) =>
        withPermit({ first: [first], next: async () => [await next()] }, async (call) => {
          try {
            const response = await wire.fetch(url, { method: 'POST', ...request });
            await response.arrayBuffer();
            return response.status;
          } finally {
            for (const permit of call.permits) {
              permit.unsent(); // Nothing happens if it was sent.
              permit.settle();
            }
          }
        }),
      close: async () => {
        await close();
        await wire.close();
      },
    };
  },
};

export default troupe;
