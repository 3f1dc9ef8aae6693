// Tasks of which each start needs a permit, and others that need none.
import { defineApp, defineTask } from 'troupe';
import { z } from 'zod';

export const limited = defineTask({
  name: 'limited',
  input: z.object({}),
  output: z.object({ startedAt: z.number() }),
  budget: 'crm',
  run: async () => ({ startedAt: Date.now() }),
});
export const plain = defineTask({ name: 'plain', input: z.object({}), run: async () => {} });

export default defineApp({
  tasks: [limited, plain],
  pools: { default: { workers: { min: 2, max: 4 } } },
  budgets: { crm: { requests: { limit: 5, per: '1s' } } },
});
