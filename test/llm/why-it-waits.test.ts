import { embed, generateText } from 'ai';
import { MockEmbeddingModelV4, MockLanguageModelV4 } from 'ai/test';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineApp, defineTask } from '../../src/index.ts';
import { encodeRecord } from '../../src/task/record.ts';
import { begun, firstRecord } from '../../src/task/transitions.ts';
import { limitedWorld } from './limited-world.ts';

const kinds = ['permit', 'model', 'embedding', 'nothing'] as const;

/** Takes all there is of a budget for a minute, and then wants more of it. */
const twice = defineTask({
  name: 'twice',
  input: z.object({ kind: z.enum(kinds) }),
  run: async (ctx, { kind }) => {
    await ctx.permit('b', async () => 1);
    if (kind === 'permit') await ctx.permit('b', async () => 2);
    if (kind === 'model') await generateText({ model: ctx.model('m'), prompt: 'p', abortSignal: ctx.abortSignal });
    if (kind === 'embedding') await embed({ model: ctx.embedding('e'), value: 'v', abortSignal: ctx.abortSignal });
    await new Promise((resolve) => ctx.abortSignal.addEventListener('abort', resolve));
  },
});

const world = () =>
  limitedWorld(
    defineApp({
      tasks: [twice],
      budgets: { b: { requests: { limit: 1, per: '1m' } } },
      models: { m: [{ model: new MockLanguageModelV4(), budget: 'b' }] },
      embeddings: { e: [{ model: new MockEmbeddingModelV4(), budget: 'b' }] },
    }),
  );

test.each(['permit', 'model', 'embedding'] as const)(
  'a task that waits in its handler for a permit says so, with the budget, to who asks why: %s',
  async (kind) => {
    const { producer, doors, statusOf } = await world();
    const run = await producer.submit(twice, { kind });
    // The limiter knows of the second wish.
    await expect.poll(() => statusOf('b')).toMatchObject({ waiting: 1 });
    const { why, status } = await doors.why('twice', run.id);
    expect(status).toBe('running');
    expect(why).toMatch(
      /^node "n" runs it, attempt 1; it has waited \d+\.\d s for a permit of budget "b": 1 wait for it$/,
    );
    await run.cancel();
  },
);

test('one that is at work says where, and one whose node is gone that it is nowhere', async () => {
  const { producer, doors, records } = await world();
  const run = await producer.submit(twice, { kind: 'nothing' });
  await expect.poll(async () => (await doors.why('twice', run.id)).why).toBe('node "n" runs it, attempt 1');
  await run.cancel();

  const route = { pool: 'default', lane: 'normal', partition: '0' } as const;
  const lost = firstRecord({ id: 'lost', type: 'twice', route, inputHash: '', submittedAt: 0 });
  await records.put(
    'twice.lost',
    encodeRecord(begun(lost, { stream: 'WORK_default', seq: 1, deliveries: 1 }, 'gone.default.1', 0)),
  );
  expect((await doors.why('twice', 'lost')).why).toBe(
    'no node says that it runs attempt 1: a worker is about to be given it, or was lost with it, and then it starts again after the ack wait; or it has waited so long that the history is asked first whether it has ended, and does not answer',
  );
});
