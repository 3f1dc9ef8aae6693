import { expect, test } from 'vitest';
import { countGroup } from '../../src/actors/doors-counts.ts';
import { row } from '../store/rows.ts';
import { open } from '../task/world.ts';

const day = 86_400_000;

const opened = async () => {
  const world = await open();
  const { ports, store, submit } = world;
  return {
    ...world,
    counts: (group: string) => countGroup(ports, store, group),
    submitIn: (group: string, ...ids: readonly string[]) =>
      Promise.all(ids.map((id) => submit({ id, envelope: { group } }))),
    end: (group: string | undefined, ...ids: readonly string[]) =>
      store.project(ids.map((id) => row({ type: 't', id, group, status: 'completed' }))),
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
