// A BullMQ worker and the same work on Troupe, side by side.
import { DelayedError, type Job, Queue, QueueEvents, UnrecoverableError, Worker } from 'bullmq';
import { type Client, defineApp, defineTask, NonRetryableError, RetryAfterError } from 'troupe';
import { z } from 'zod';

// ── before ──
const connection = { host: '127.0.0.1' };
interface Mail {
  to: string;
  template: string;
}
export const before = () => {
  const queue = new Queue<Mail, { messageId: string }>('mail', {
    connection,
    defaultJobOptions: { attempts: 5, backoff: { type: 'exponential', delay: 1000 }, removeOnComplete: 1000 },
  });
  const worker = new Worker<Mail, { messageId: string }>(
    'mail',
    async (job: Job<Mail>, token) => {
      await job.updateProgress(10);
      if (!job.data.to.includes('@')) throw new UnrecoverableError('no address');
      const answer = await fetch('https://mail.example', { method: 'POST', body: JSON.stringify(job.data) });
      if (answer.status === 429) {
        await job.moveToDelayed(Date.now() + 5000, token);
        throw new DelayedError();
      }
      await job.log('sent');
      return { messageId: await answer.text() };
    },
    { connection, concurrency: 20 },
  );
  worker.on('failed', (job, error) => console.error(job?.id, error));
  const events = new QueueEvents('mail', { connection });
  events.on('completed', ({ jobId, returnvalue }) => console.log(jobId, returnvalue));
  return {
    later: async () => {
      const options = { delay: 3_600_000, jobId: 'welcome-a', priority: 1 };
      const job = await queue.add('welcome', { to: 'a@b.c', template: 'hi' }, options);
      return job.waitUntilFinished(events);
    },
  };
};

// ── after ──
export const mail = defineTask({
  name: 'mail',
  pool: 'bulk',
  retry: { max: 5, backoff: { first: '1s', factor: 2 } },
  input: z.object({ to: z.string(), template: z.string() }),
  output: z.object({ messageId: z.string() }),
  progress: z.number(),
  run: async (ctx, data) => {
    ctx.progress(10);
    if (!data.to.includes('@')) throw new NonRetryableError('no address');
    const messageId = await ctx.step('send', async ({ idempotencyKey }) => {
      const answer = await fetch('https://mail.example', {
        method: 'POST',
        body: JSON.stringify(data),
        headers: { 'idempotency-key': idempotencyKey },
      });
      if (answer.status === 429) throw new RetryAfterError('5s');
      return answer.text();
    });
    ctx.log.info('sent');
    return { messageId };
  },
});
const app = defineApp({ pools: { bulk: { workers: { min: 0, max: 20 } } }, tasks: [mail] });
export default app;

export const after = async (client: Client<typeof app>): Promise<string> => {
  const options = { delay: '1h', id: 'welcome-a', lane: 'high' } as const;
  const run = await client.submit(mail, { to: 'a@b.c', template: 'hi' }, options);
  const follow = async (): Promise<void> => {
    for await (const event of client.events({ type: 'mail' }))
      if (event.type === 'failed') console.error(event.id, event.error);
  };
  void follow(); // Ends with the client, never with an error.
  return (await run.result()).messageId;
};
