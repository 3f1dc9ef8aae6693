import { expect, test } from 'vitest';
import { inbox } from '../../src/task/inbox.ts';
import { bytes, open } from './world.ts';

/** An inbox with so many tasks of type `t`, the ids of which count from 0. */
const filled = async (count: number) => {
  const world = await open();
  const reads: number[] = [];
  const post = async (id: string, input = 'null') =>
    world.queue.publish('tasks.t', bytes(input), { headers: { 'Troupe-Id': id } });
  for (let n = 0; n < count; n += 1) await post(`${n}`);
  const queue: Parameters<typeof inbox>[0] = {
    last: world.queue.last,
    from: async (stream, subject, seq) => {
      reads.push(seq);
      return world.queue.from(stream, subject, seq);
    },
  };
  return { ...world, post, reads, queue, find: inbox(queue).find };
};

test('a task is found wherever it is in the inbox, by the first message that has its id', async () => {
  const { find, post } = await filled(50);
  await post('0', '"another"');
  expect(await find('t.0')).toMatchObject({ seq: 1 });
  expect(await find('t.49')).toMatchObject({ seq: 50 });
  expect(await find('t.50')).toBeUndefined();
  expect(await find('u.0')).toBeUndefined();
});

test('those that ask at the same time share one search, and it ends with the last of them', async () => {
  const { find, reads } = await filled(50);
  await find('t.none');
  const all = reads.splice(0);
  expect(all.length).toBeGreaterThan(2);
  await Promise.all(['none', '1', '2', '49'].map((id) => find(`t.${id}`)));
  expect(reads.splice(0)).toEqual(all);
  await Promise.all(['1', '2'].map((id) => find(`t.${id}`)));
  expect(reads).toEqual([1]);
});

test('a task that was accepted while a search went on is found by who asks then', async () => {
  const { post, queue } = await filled(50);
  const accepted = Promise.withResolvers<void>();
  let asked: Promise<unknown> | undefined;
  const { find } = inbox({
    ...queue,
    last: async (stream, subject) => {
      const last = await queue.last(stream, subject);
      if (!asked) {
        await post('new');
        asked = find('t.new');
        accepted.resolve();
      }
      return last;
    },
  });
  expect(await find('t.none')).toBeUndefined();
  await accepted.promise;
  expect(await asked).toMatchObject({ seq: 51 });
});

test('what a replica does not have yet its leader has', async () => {
  const { queue, post } = await filled(0);
  await post('a');
  const { find } = inbox({ ...queue, from: () => Promise.resolve([]) });
  expect(await find('t.a')).toMatchObject({ seq: 1 });
});
