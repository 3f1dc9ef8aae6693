// Five lines make an app.
import { defineApp, defineTask } from 'troupe';
import { z } from 'zod';

const hello = defineTask({
  name: 'hello',
  input: z.object({ who: z.string() }),
  output: z.object({ text: z.string() }),
  run: async (_ctx, { who }) => ({ text: `Hello, ${who}` }),
});
export default defineApp({ tasks: [hello] });
