/** The time of the limiter that grants: what it has in its key, what it answers, and when it ends. */
import { expect, test } from 'vitest';
import { TimeoutError, UnavailableError } from '../../src/kernel/errors.ts';
import { silentLog as log } from '../../src/kernel/log.ts';
import { amountOf } from '../../src/limiter/budget.ts';
import { permits } from '../../src/limiter/client.ts';
import { opened, wishes } from './limiter-world.ts';

const windows = [{ unit: 'requests', limit: 200, perMs: 10_000 } as const];

test('what could not be written into the key is not answered, and told again to who takes over', async () => {
  const { node, clock, random, spec, broker, status } = await opened();
  let stalled = false;
  await node('a', ({ queue }) => ({
    queue: {
      ...queue,
      publish: async (...write) => {
        if (!stalled) return queue.publish(...write);
        await clock.sleep(500);
        throw new TimeoutError('no leader');
      },
    },
  }));
  await node('b');
  const client = permits({ bus: broker.connect().bus, clock, random, log, budgets: new Map([['tier1', spec]]) });
  const wanted = { amount: amountOf(0, 0), lane: 'normal', tenant: '', maxWaitMs: 5_000, holdMs: 60_000 } as const;
  const asked = client.acquire('tier1', { ...wanted, signal: new AbortController().signal });
  await clock.advance(100);
  const permit = await asked;
  await clock.advance(8_000);
  stalled = true;
  await clock.advance(500); // Its reign is over before its clients have stopped waiting for an answer.
  permit.sent();
  permit.settle(); // It arrives now, eight seconds after its grant.
  client.penalize('tier1', 60_000, 'busy');
  await clock.advance(6_000);
  const { closedMs, ...rest } = await status();
  expect(rest).toMatchObject({ node: 'b', epoch: 2, windows: [{ used: 1 }] });
  expect(closedMs).toBeGreaterThan(50_000);
});

test('its key is written once at a time, whatever it is told meanwhile', async () => {
  const { node, client, clock, status } = await opened({ windows });
  let [under, most] = [0, 0];
  await node('a', ({ queue }) => ({
    queue: {
      ...queue,
      publish: async (...write) => {
        under += 1;
        most = Math.max(most, under);
        await clock.sleep(5);
        under -= 1;
        return queue.publish(...write);
      },
    },
  }));
  const one = client('one');
  one.list(wishes(150));
  while (one.permits().length < 3) await clock.advance(1);
  await clock.advance(2); // The next slice is being written.
  expect(under).toBe(1);
  const [permit] = one.permits();
  await one.settle({ type: 'late', permit, amount: { requests: 1 } });
  await clock.advance(3_000);
  expect(most).toBe(1);
  expect(await status()).toMatchObject({ node: 'a', epoch: 1 });
});

test('an answer that does not fit a message is left, and the others are given theirs', async () => {
  const limit = 999_999_999_998;
  const { node, client, status } = await opened({ windows: [{ unit: 'outputTokens', limit, perMs: 10_000 }] });
  await node('a');
  client('large').list([{ id: 'large', count: 10_000, outputTokens: limit + 1.234 }]);
  expect((await client('small').wait(wishes(2), 500)).size).toBe(2);
  expect(await status()).toMatchObject({ node: 'a', epoch: 1 });
});

test('one that cannot serve does not keep the budget from who can', async () => {
  const { node, client, clock, status } = await opened();
  await node('a', ({ bus }) => ({
    bus: {
      ...bus,
      subscribe: () => {
        throw new UnavailableError('no subscription');
      },
    },
  }));
  await node('b');
  await clock.advance(3_000);
  expect(await status()).toMatchObject({ node: 'b', epoch: 2 });
  expect((await client('one').wait(wishes(1), 500)).size).toBe(1);
});
