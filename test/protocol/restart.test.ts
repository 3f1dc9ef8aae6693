/** Whatever the server and the nodes go through in the middle of it, an accepted task has one end, and only one. */
import { expect, test } from 'vitest';
import { buckets, streams } from '../../src/bus/subjects.ts';
import { decodeRecord, isTerminal } from '../../src/task/record.ts';
import { freshNats } from '../setup/servers.ts';
import { bytes } from '../task/world.ts';
import { world } from './fixture.ts';
import { natsGround } from './grounds.ts';

const count = 500;

test.each(['restarted', 'killed'] as const)(
  'five hundred tasks, and a server that is %s in the middle of them: none is lost, and each has one end',
  async (how) => {
    const server = await freshNats();
    const setting = await world(natsGround(server.url), {
      ackWaitMs: 2_000,
      workers: 20,
      retry: { max: 5, backoff: { first: '1ms', max: '10ms' } },
      run: async (ctx, input) => {
        await ctx.step('one', () => 1);
        if (Number(input) % 10 === 0 && ctx.attempt === 1) throw new Error('the first one fails');
        return ctx.step('two', () => Number(input));
      },
    });
    const ends = new Map<string, string[]>();
    await setting.queue.tail(streams.bucket(buckets.tasks), {
      filter: '$KV.tasks.>',
      from: 'all',
      deliver: ({ subject, data }) => {
        const record = decodeRecord(data);
        if (record && isTerminal(record)) ends.set(subject, [...(ends.get(subject) ?? []), record.status]);
      },
    });
    await setting.boot('a');
    await setting.boot('b');

    // By both doors: what is not accepted while the server is away is submitted again, as anybody would.
    const accept = async (n: number): Promise<void> => {
      const id = `x${n}`;
      const publish = () =>
        n % 2 === 0
          ? setting.submit(id, { input: n })
          : setting.queue.publish('tasks.t', bytes(String(n)), { headers: { 'Troupe-Id': id } });
      await publish().catch(() => setting.clock.sleep(50).then(() => accept(n)));
    };
    const all = Array.from({ length: count }, (_, n) => n);
    const accepted = Promise.all(all.map(accept));
    await setting.until(
      async () => ends.size,
      (size) => size > count / 10,
    );
    if (how === 'killed') await server.kill();
    await server.restart();
    await accepted;
    await setting.until(
      async () => ends.size,
      (size) => size === count,
    );
    await setting.drained();

    expect([...ends.values()].every((each) => each.length === 1 && each[0] === 'completed')).toBe(true);
    const records = await Promise.all(all.map((n) => setting.record(`x${n}`)));
    expect(records.map((record) => record?.result)).toEqual(all);
    expect(records.every((record) => record?.steps.length === 2)).toBe(true);
    expect(records.every((record) => record !== undefined && record.failures <= 1)).toBe(true);
    expect(await setting.letters()).toEqual([]);
  },
  30_000,
);
