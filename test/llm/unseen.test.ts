/** Calls under `ctx.permit`, by whatever transport: none is taken for one that the limiter need not count. */
import { createServer, type RequestListener } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { defineApp, defineTask, modelFetch } from '../../src/index.ts';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import { limiter } from '../../src/actors/limiter.ts';
import { silentLog as log } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { amountOf, type Budget } from '../../src/limiter/budget.ts';
import { type OpenPermits, permits } from '../../src/limiter/client.ts';
import { permitted } from '../../src/llm/permission.ts';
import { anyTransport } from '../../src/llm/transport.ts';
import { patience } from '../../src/llm/patience.ts';
import { limitedWorld } from './limited-world.ts';

const listen = async (answer: RequestListener): Promise<string> => {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' && address ? address.port : ''}`;
};

test('a call that fails by a client of its own counts, also where others of its budget go by modelFetch', async () => {
  const url = await listen((_request, response) => void response.writeHead(404).end());
  const input = z.object({});
  const seen = defineTask({
    name: 'seen',
    input,
    run: async (ctx) => void (await ctx.permit('crm', () => modelFetch(url))),
  });
  const failing = defineTask({
    name: 'failing',
    input,
    run: async (ctx) => {
      const lookUp = async (): Promise<void> => {
        if (!(await fetch(url)).ok) throw new Error('not there');
      };
      await ctx.permit('crm', lookUp).catch(() => {});
    },
  });
  const app = defineApp({ tasks: [seen, failing], budgets: { crm: { requests: { limit: 100, per: '1h' } } } });
  const { producer, statusOf } = await limitedWorld(app);
  await (await producer.submit(seen, {})).result();
  for (const _ of [1, 2, 3, 4]) await (await producer.submit(failing, {})).result();
  const told = z.object({ unconfirmed: z.literal(0), windows: z.tuple([z.object({ used: z.number() })]) });
  // The first through modelFetch may have found its permit too late, and taken another.
  await expect.poll(async () => told.safeParse(await statusOf('crm')).data?.windows[0].used).toBeGreaterThanOrEqual(5);
});

test('a redirected request does not wait for its own place', async () => {
  const url = await listen(({ url: path }, response) => {
    if (path === '/there') response.end('fine');
    else response.writeHead(307, { location: '/there' }).end();
  });
  const moved = defineTask({
    name: 'moved',
    input: z.object({}),
    output: z.string(),
    retry: { max: 1 },
    run: (ctx) =>
      ctx.permit('crm', async () => (await modelFetch(url, { method: 'POST', body: 'x' })).text(), { maxWait: '5s' }),
  });
  const { producer } = await limitedWorld(defineApp({ tasks: [moved], budgets: { crm: { concurrent: 1 } } }));
  expect(await (await producer.submit(moved, {})).result()).toBe('fine');
});

/** A limiter, and processes that ask it for permits, in virtual time. */
const processes = async (budget: Partial<Budget>) => {
  const clock = virtualClock();
  const random = seededRandom(1);
  const broker = memoryBroker({ clock, random });
  const spec: Budget = { name: 'b', windows: [], ...budget };
  const parts = { clock, random, log, metrics: createMetrics() };
  const done = async <T>(promise: Promise<T>, ms = 300): Promise<T> => {
    const [result] = await Promise.all([promise, clock.advance(ms)]);
    return result;
  };
  const { queue } = broker.connect();
  await done(queue.ensureStream({ name: 'KV_limits', subjects: ['$KV.limits.>'], keep: 'last', maxBytes: 1e6 }));
  const life = new AbortController();
  const { exit } = await done(
    limiter({ ...parts, ...broker.connect(), budget: spec, node: 'n', version: '1' })(life.signal),
  );
  await clock.advance(300);
  onTestFinished(async () => {
    life.abort(new Error('the test is over'));
    await done(exit);
  });
  const process = () => permits({ ...parts, bus: broker.connect().bus, budgets: new Map([['b', spec]]) });
  const run = (from: OpenPermits, call: () => Promise<void>): void => {
    const request = {
      budgets: ['b'],
      clock,
      amount: amountOf(0, 0),
      lane: 'normal',
      tenant: '',
      holdMs: 600_000,
      signal: life.signal,
      patience: patience(clock, clock.wall, { maxWaitMs: undefined, deadlineAt: undefined }),
    } as const;
    void permitted(from, anyTransport, request, call, () => undefined).catch(() => {}); // Aborted at the end.
  };
  return { clock, process, run, done };
};

test('a call that nobody sees keeps its place for as long as it takes', async () => {
  const { clock, process, run } = await processes({ concurrent: 1 });
  const beginnings: number[] = [];
  const job = async (): Promise<void> => {
    beginnings.push(clock.monotonic());
    await clock.sleep(480_000);
  };
  run(process(), job);
  run(process(), job);
  await clock.advance(479_000);
  expect(beginnings).toHaveLength(1);
  await clock.advance(2_000);
  expect(beginnings).toHaveLength(2);
});

test('a process that closes returns nothing that has begun', async () => {
  const { clock, process, run, done } = await processes({
    windows: [{ unit: 'requests', limit: 5, perMs: 60_000 }],
  });
  let begun = 0;
  const job = (): Promise<void> => {
    begun += 1;
    return clock.sleep(20_000);
  };
  const [closing, staying] = [process(), process()];
  for (let count = 0; count < 5; count += 1) run(closing, job);
  while (begun < 5) await clock.advance(1); // All of them are in time yet.
  await done(closing.close(), 3_000);
  run(staying, job);
  await clock.advance(50_000);
  expect(begun).toBe(5);
  await clock.advance(15_000);
  expect(begun).toBe(6);
});
