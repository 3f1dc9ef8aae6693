// Five lines make an app.
import { generateText } from 'ai';
import { defineApp, defineTask } from 'troupe';
import { z } from 'zod';

const hello = defineTask({
  name: 'hello',
  input: z.object({ who: z.string() }),
  output: z.object({ text: z.string() }),
  run: async (ctx, { who }) => ({
    text: (await generateText({ model: ctx.model('fast'), prompt: `Greet ${who}` })).text,
  }),
});
export default defineApp({ tasks: [hello] });
