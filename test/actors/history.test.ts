import { expect, onTestFinished, test } from 'vitest';
import { answerHistory, historyElsewhere } from '../../src/actors/history.ts';
import { row, step } from '../store/rows.ts';
import { open } from '../task/world.ts';

/** A node with a database and one without. */
const opened = async () => {
  const world = await open();
  const life = new AbortController();
  const { bus } = world.node('with');
  const { exit } = await answerHistory({ bus, store: world.store })(life.signal);
  const stop = async (): Promise<void> => {
    life.abort();
    await exit;
  };
  onTestFinished(stop);
  const { task, countByStatus, endedBefore } = historyElsewhere(world.node('without').bus);
  return {
    ...world,
    stop,
    task: (id: string) => world.eventually(task('t', id)),
    counts: (ids: readonly string[], since?: string) =>
      world.eventually(countByStatus(ids.map((id) => ({ type: 't', id, ...(since !== undefined && { since }) })))),
    ended: (ids: readonly string[], before: string) =>
      world.eventually(
        endedBefore(
          ids.map((id) => ({ type: 't', id })),
          before,
        ),
      ),
  };
};

test('a node without a database reads a row as one that has it, and learns that there is none', async () => {
  const { store, task } = await opened();
  const bare = row({ type: 't', id: 'bare' });
  const full = row({ type: 't', id: 'full', result: '{"a":1}', finishedAt: bare.createdAt, steps: [step('one')] });
  await store.project([bare, full]);
  expect(await task('bare')).toEqual(await store.task('t', 'bare'));
  expect(await task('full')).toEqual(await store.task('t', 'full'));
  expect(await task('none')).toBeUndefined();
});

test('it counts as many tasks as a group may have', async () => {
  const { store, counts, ended } = await opened();
  const ids = Array.from({ length: 4_500 }, (_, n) => `n${n}`);
  await store.project(ids.map((id, n) => row({ type: 't', id, status: n % 3 === 0 ? 'dead' : 'completed' })));
  expect(await counts(ids)).toEqual({ completed: 3_000, dead: 1_500 });
  expect(await counts([])).toEqual({});
  const [early, late] = ['2026-01-01T00:00:00.000Z', '2026-01-02T00:00:00.000Z'];
  await store.project([row({ type: 't', id: 'n1', revision: 2, status: 'completed', finishedAt: early })]);
  expect(await counts(['n1', 'n2'], late)).toEqual({ completed: 1 });
  expect(await ended(ids, late)).toEqual([{ type: 't', id: 'n1' }]);
  expect(await ended(ids, early)).toEqual([]);
});

test('where the database is down, or no node has one, the history is unavailable, and why', async () => {
  const { store, task, stop } = await opened();
  store.setAvailable(false);
  await expect(task('a')).rejects.toMatchObject({
    code: 'unavailable',
    message: 'the history, at another node: the store is down',
  });
  await stop();
  await expect(task('a')).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('no other node answers for it'),
  });
});

test('what nobody can read is no question, and a row that fits no message is an error', async () => {
  const { store, task, node, eventually } = await opened();
  const { bus } = node('somebody');
  bus.publish('ctl.history', new Uint8Array([1, 2, 3]), { reply: 'inbox' });
  await expect(eventually(bus.request('ctl.history', new Uint8Array(), { timeoutMs: 100 }))).rejects.toMatchObject({
    code: 'timeout',
  });
  await store.project([row({ type: 't', id: 'large', result: JSON.stringify('x'.repeat(2_000_000)) })]);
  await expect(task('large')).rejects.toMatchObject({ code: 'unavailable' });
});
