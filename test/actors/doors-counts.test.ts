import { expect, test } from 'vitest';
import { countGroup } from '../../src/actors/doors-counts.ts';
import { iso } from '../../src/kernel/iso.ts';
import { bucket } from '../../src/kv/bucket.ts';
import { row } from '../store/rows.ts';
import { app, bytes, completed, open } from '../task/world.ts';

const day = 86_400_000;

const opened = async () => {
  const world = await open();
  const { ports, store, submit, queue } = world;
  return {
    ...world,
    counts: (group: string) => countGroup(ports, store, group),
    submitIn: (group: string, ...ids: readonly string[]) =>
      Promise.all(ids.map((id) => submit({ id, envelope: { group } }))),
    end: (group: string | undefined, ...ids: readonly string[]) =>
      store.project(
        ids.map((id) =>
          row({ type: 't', id, group, status: 'completed', revision: queue.now(), finishedAt: iso(queue.now()) }),
        ),
      ),
  };
};

test('a task is queued until the history knows it', async () => {
  const { submitIn, end, counts } = await opened();
  await submitIn('g', 'a', 'b', 'c/d');
  expect(await counts('g')).toMatchObject({ total: 3, queued: 3, completed: 0 });
  await end('g', 'a', 'c/d');
  expect(await counts('g')).toMatchObject({ total: 3, queued: 1, completed: 2 });
});

test('a task that was submitted before without the group counts as what has become of it', async () => {
  const { submit, submitIn, end, counts } = await opened();
  await submit({ id: 'a' });
  await end(undefined, 'a');
  expect(await submitIn('g', 'a')).toEqual([{ duplicate: true }]);
  expect(await counts('g')).toMatchObject({ total: 1, queued: 0, completed: 1 });
});

test('a group whose name is used again counts what is in it now', async () => {
  const { submitIn, end, counts, clock } = await opened();
  await submitIn('weekly', 'a', 'b', 'c');
  await end('weekly', 'a', 'b', 'c');
  await clock.advance(8 * day);
  await submitIn('weekly', 'd', 'e');
  expect(await counts('weekly')).toMatchObject({ total: 2, queued: 2, completed: 0 });
});

test('a group remembers a task for seven days from when it was submitted or due', async () => {
  const { submit, submitIn, counts, clock, queue } = await opened();
  await submitIn('g', 'now');
  await submit({ id: 'delayed', envelope: { group: 'g', delayMs: 9 * day } });
  await submit({ id: 'dated', envelope: { group: 'g', dueAt: queue.now() + 9 * day } });
  await clock.advance(7 * day - 60_000);
  expect(await counts('g')).toMatchObject({ total: 3, queued: 3 });
  await clock.advance(9 * day);
  expect(await counts('g')).toMatchObject({ total: 2 });
  await clock.advance(120_000);
  expect(await counts('g')).toMatchObject({ total: 0, queued: 0 });
});

test('a task whose id was used before is queued, whatever became of the earlier one', async () => {
  const { submit, submitIn, end, counts, clock } = await opened();
  await submitIn('monday', 'now', 'later');
  await end('monday', 'now', 'later');
  await clock.advance(day);
  await submitIn('tuesday', 'now');
  await submit({ id: 'later', envelope: { group: 'tuesday', delayMs: 3_600_000 } });
  expect(await counts('tuesday')).toMatchObject({ total: 2, queued: 2, completed: 0 });
  expect(await counts('monday')).toMatchObject({ total: 2, queued: 0, completed: 2 });
  await clock.advance(60_000);
  await end('tuesday', 'now');
  expect(await counts('tuesday')).toMatchObject({ total: 2, queued: 1, completed: 1 });
});

test('a task that has ended and is remembered counts in each group that it is submitted in again', async () => {
  const { submitIn, run, take, end, counts, clock } = await opened();
  await submitIn('g', 'a');
  await run(
    app(async () => completed()),
    await take(),
  );
  await end('g', 'a');
  await clock.advance(3_000_000);
  expect(await submitIn('h', 'a')).toMatchObject([{ duplicate: true }]);
  for (const group of ['g', 'h']) expect(await counts(group)).toMatchObject({ total: 1, queued: 0, completed: 1 });
});

test('a member that does not say when it was submitted counts as what has become of its id', async () => {
  const { end, counts, queue } = await opened();
  await end('g', 'a');
  for (const [id, body] of Object.entries({ a: '{}', b: 'by hand' }))
    await bucket(queue, 'groups').put(`g.t.${id}`, bytes(body));
  expect(await counts('g')).toMatchObject({ total: 2, queued: 1, completed: 1 });
});
