/**
 * Protocol 3, 5 and 7b: the server takes a nak, a term and an ack of an attempt that was overtaken, so whoever loses the
 * record settles nothing of another's, and knows at once what became of the task.
 */
import { expect, test } from 'vitest';
import { streams } from '../../src/bus/subjects.ts';
import { cancelTask } from '../../src/task/cancel.ts';
import type { Delivery } from '../../src/bus/queue.ts';
import { type Around, between, type Settlement } from './failpoints.ts';
import { world } from './fixture.ts';
import { memoryGround, onBothGrounds } from './grounds.ts';

const isTask = ({ subject }: Delivery): boolean => subject.startsWith('work.');

/** Notes how each delivery of a task was settled, by its number, and lets the first one look dead. */
const pausing = (settled: string[], read?: (subject: string) => void): Around =>
  between({
    ...(read && { read }),
    settle: (how: Settlement, delivery, go) => {
      if (isTask(delivery) && how === 'working' && delivery.deliveries === 1) return;
      if (isTask(delivery) && how !== 'working') settled.push(`${delivery.deliveries} ${how}`);
      go();
    },
  });

/** A task whose first attempt stays away for longer than its ack wait, and then ends like this. */
const overtaken = (end: () => unknown, writes: boolean) => {
  const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const inside = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const run = async (ctx: { readonly attempt: number; step(name: string, fn: () => number): Promise<unknown> }) => {
    if (writes) await ctx.step('one', () => 1);
    inside[ctx.attempt - 1]?.resolve();
    await gates[ctx.attempt - 1]?.promise;
    return ctx.attempt === 1 ? end() : 'second';
  };
  return { run, gates, inside };
};

/**
 * `known` resolves when whoever was refused knows what to do: it has read what is in the way of a record that it would
 * create, whose write is there, and what that means for its delivery.
 */
const lost = ({ creates }: { readonly creates: boolean }) => {
  const readsMost = creates ? 3 : 2;
  const { promise, resolve } = Promise.withResolvers<void>();
  let reads = 0;
  let refused = false;
  return {
    begin: () => {
      refused = true;
    },
    read: (subject: string): void => {
      if (refused && subject === '$KV.tasks.t.x' && ++reads === readsMost) resolve();
    },
    known: promise,
  };
};

onBothGrounds((make) => {
  test.each([true, false])(
    'an attempt that was overtaken and then fails for the last time takes nothing from the one that goes on (wrote first: %s)',
    async (writes) => {
      const boom = (): never => {
        throw new Error('too late');
      };
      const { run, gates, inside } = overtaken(boom, writes);
      const settled: string[] = [];
      const { boot, submit, becomes, drained, letters, eventually, messages } = await world(await make(), {
        run,
        retry: { max: 1 },
      });
      const { begin, read, known } = lost({ creates: !writes });
      await boot('a', { around: pausing(settled, read) });
      await submit('x');
      await eventually(inside[1]?.promise ?? Promise.reject());
      begin();
      gates[0]?.resolve();
      await eventually(known);
      expect(await messages(streams.work('main', 'default'))).toBe(1);
      gates[1]?.resolve();
      expect(await becomes('x')).toMatchObject({ status: 'completed', attempt: 2, failures: 0, result: 'second' });
      await drained();
      expect([settled, await letters()]).toEqual([['2 ack'], []]);
    },
  );

  test('an attempt that was overtaken and then succeeds did not do it', async () => {
    const { run, gates, inside } = overtaken(() => 'first', true);
    const settled: string[] = [];
    const { boot, submit, becomes, drained, eventually, record } = await world(await make(), { run });
    const { begin, read, known } = lost({ creates: false });
    const node = await boot('a', { around: pausing(settled, read) });
    await submit('x');
    await eventually(inside[1]?.promise ?? Promise.reject());
    begin();
    gates[0]?.resolve();
    await eventually(known);
    expect(await record('x')).toMatchObject({ status: 'running', attempt: 2 });
    gates[1]?.resolve();
    expect(await becomes('x')).toMatchObject({ status: 'completed', result: 'second' });
    await drained();
    expect(settled).toEqual(['2 ack']);
    expect(await node.metrics.text()).toContain('troupe_fenced_total{type="t"} 1');
  });

  test('an attempt that is cancelled under way leaves at once, and not after its ack wait', async () => {
    const inside = Promise.withResolvers<void>();
    const aborted = Promise.withResolvers<unknown>();
    const deliveries: number[] = [];
    const { boot, submit, drained, record, eventually } = await world(await make(), {
      run: async (ctx) => {
        await ctx.step('one', () => 1);
        ctx.abortSignal.addEventListener('abort', () => aborted.resolve(ctx.abortSignal.reason));
        inside.resolve();
        return new Promise(() => {});
      },
    });
    const around = between({ deliver: (delivery) => isTask(delivery) && deliveries.push(delivery.deliveries) });
    const { ports } = await boot('a', { around });
    await submit('x');
    await inside.promise;
    const known = await record('x');
    const origin = {
      id: 'x',
      type: 't',
      route: { pool: 'default', lane: 'normal', partition: '0' },
      inputHash: '',
      submittedAt: 0,
    } as const;
    await eventually(cancelTask(ports, 't.x', origin, 'enough'));
    expect(await eventually(aborted.promise)).toMatchObject({ code: 'task_cancelled' });
    await drained();
    expect(await record('x')).toMatchObject({ status: 'cancelled', steps: known?.steps, error: { message: 'enough' } });
    expect(deliveries).toEqual([1]);
  });

  test('without a hint, the cancelled attempt’s next write finds out', async () => {
    const [inside, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const late = Promise.withResolvers<unknown>();
    const { boot, submit, drained, record, eventually } = await world(await make(), {
      run: async (ctx) => {
        await ctx.step('one', () => 1);
        inside.resolve();
        await gate.promise;
        return ctx.step('two', () => 2).catch((error: unknown) => late.resolve(error));
      },
    });
    const { ports } = await boot('a', {
      around: ({ bus, ...link }) => ({ ...link, bus: { ...bus, subscribe: () => ({ unsubscribe: () => {} }) } }),
    });
    await submit('x');
    await inside.promise;
    const origin = {
      id: 'x',
      type: 't',
      route: { pool: 'default', lane: 'normal', partition: '0' },
      inputHash: '',
      submittedAt: 0,
    } as const;
    await eventually(cancelTask(ports, 't.x', origin, undefined));
    gate.resolve();
    expect(await eventually(late.promise)).toMatchObject({ code: 'fenced' });
    await drained();
    expect(await record('x')).toMatchObject({ status: 'cancelled', steps: [{ name: 'one' }] });
  });
});

test('an attempt that was overtaken by one that has ended repeats its duties, and acks', async () => {
  const { run, gates, inside } = overtaken(() => 'first', true);
  const settled: string[] = [];
  const { boot, submit, becomes, eventually, until } = await world(memoryGround(), { run });
  await boot('a', { around: pausing(settled) });
  await submit('x');
  gates[1]?.resolve();
  await eventually(inside[1]?.promise ?? Promise.reject());
  await becomes('x');
  gates[0]?.resolve();
  await until(
    async () => settled,
    ({ length }) => length === 2,
  );
  expect(settled).toEqual(['2 ack', '1 ack']);
});
