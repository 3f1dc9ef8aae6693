// All that an app has to be. TROUPE_APP=examples/minimal.ts npx node dist/node.js
import { defineApp, defineTask, schedule } from 'troupe';
import { z } from 'zod';

const hello = defineTask({
  name: 'hello',
  input: z.object({ who: z.string() }),
  output: z.object({ text: z.string() }),
  run: async (_ctx, { who }) => ({ text: `Hello, ${who}` }),
});

const morning = schedule(hello, {
  name: 'morning',
  cron: '0 8 * * *',
  timezone: 'Europe/Berlin',
  input: { who: 'all' },
});

export default defineApp({ tasks: [hello], schedules: [morning] });
