/** Calls that need permits of two budgets, beside calls that need one of them, each budget with a limiter of its own. */
import { expect, test } from 'vitest';
import { limiter } from '../../src/actors/limiter.ts';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import { silentLog as log } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { type VirtualClock, virtualClock } from '../../src/kernel/virtual-clock.ts';
import { amountOf, type Budget } from '../../src/limiter/budget.ts';
import { permits } from '../../src/limiter/client.ts';
import { together } from '../../src/llm/together.ts';

const budgetOf = (name: string, limit: number): Budget => ({
  name,
  windows: [{ unit: 'requests', limit, perMs: 10_000 }],
});

const opened = async (budgets: readonly Budget[]) => {
  const clock = virtualClock();
  const random = seededRandom(1);
  const broker = memoryBroker({ clock, random });
  const life = new AbortController();
  const done = async (promise: Promise<unknown>): Promise<void> => {
    promise.catch(() => undefined); // Awaited below.
    await clock.advance(3_000);
    await promise;
  };
  const spec = { name: 'KV_limits', subjects: ['$KV.limits.>'], keep: 'last', maxBytes: 1e6 } as const;
  await done(broker.connect().queue.ensureStream(spec));
  for (const budget of budgets) {
    const parts = { ...broker.connect(), clock, random, log, metrics: createMetrics() };
    await done(limiter({ budget, ...parts, node: 'n', version: '1.0.0' })(life.signal));
  }
  const asker = permits({
    bus: broker.connect().bus,
    clock,
    random,
    log,
    budgets: new Map(budgets.map((budget) => [budget.name, budget])),
  });

  const take = (names: readonly string[], leftMs = 600_000) =>
    together(asker, {
      budgets: names,
      clock,
      leftMs: () => leftMs,
      amount: amountOf(0, 0),
      lane: 'normal',
      tenant: '',
      holdMs: 1_000,
      signal: life.signal,
    });

  /** So many workers that call one after the other; answers how many calls they have made. */
  const work = (workers: number, names: readonly string[]): (() => number) => {
    let calls = 0;
    const one = async (): Promise<void> => {
      for (;;) {
        const granted = await take(names).catch(() => undefined);
        if (!granted) return;
        if (granted.every((permit) => permit.inTime())) calls += 1;
        for (const permit of granted) permit.sent();
        await clock.sleep(200);
        for (const permit of granted) permit.settle();
      }
    };
    for (let count = 0; count < workers; count += 1) void one(); // Ends with `life`.
    return () => calls;
  };

  const close = async (): Promise<void> => {
    life.abort(new Error('the test is over'));
    await done(asker.close());
  };
  const statusOf = async (name: string): Promise<{ readonly unconfirmed: number; readonly waiting: number }> => {
    const asked = broker.connect().bus.request(`limiter.${name}.status`, new Uint8Array());
    await clock.advance(20);
    return JSON.parse(new TextDecoder().decode((await asked).data));
  };
  return { clock, take, work, close, statusOf };
};

/** What each of the workers have done in a minute, once two windows are over. */
const aMinute = async ({ clock }: { readonly clock: VirtualClock }, workers: readonly (() => number)[]) => {
  await clock.advance(20_000);
  const before = workers.map((calls) => calls());
  await clock.advance(60_000);
  return workers.map((calls, index) => calls() - (before[index] ?? 0));
};

test('calls that need two budgets have their share of the one that others want, too', async () => {
  const made = await opened([budgetOf('org', 20), budgetOf('model', 10)]);
  const [both = 0, org = 0] = await aMinute(made, [made.work(8, ['org', 'model']), made.work(40, ['org'])]);
  expect(both).toBeGreaterThan(15);
  expect(both + org).toBeGreaterThan(105);
  await made.close();
});

test('and of two that others want', async () => {
  const made = await opened([budgetOf('org', 20), budgetOf('model', 10)]);
  const [both = 0, org = 0, model = 0] = await aMinute(made, [
    made.work(8, ['org', 'model']),
    made.work(20, ['org']),
    made.work(10, ['model']),
  ]);
  expect(both).toBeGreaterThan(15);
  expect(both + org).toBeGreaterThan(95);
  expect(both + model).toBeGreaterThan(45);
  await made.close();
});

test('a permit that runs out while another budget has no room is returned, and nothing is left when there is no time any more', async () => {
  const { clock, take, work, close, statusOf } = await opened([budgetOf('org', 1), budgetOf('model', 10)]);
  work(3, ['org']);
  await clock.advance(1_000);
  const asked = take(['org', 'model'], 5_000).catch((error: unknown) => error);
  await clock.advance(100);
  expect(await statusOf('model')).toMatchObject({ unconfirmed: 1 });
  await clock.advance(400);
  expect(await statusOf('model')).toMatchObject({ unconfirmed: 0 });
  await clock.advance(5_000);
  expect(await asked).toMatchObject({ code: 'limiter_timeout' });
  expect(await statusOf('model')).toMatchObject({ unconfirmed: 0, waiting: 0 });
  await close();
});
