import { expect, test } from 'vitest';
import type { Admission } from '../../src/task/admission.ts';
import { redrive } from '../../src/task/redrive.ts';
import { row, step } from '../store/rows.ts';
import { taskKey } from '../../src/bus/subjects.ts';
import { iso } from '../../src/kernel/iso.ts';
import { app, completed, failed, open, type Submission } from './world.ts';

const admission: Admission = {
  admit: async (_type, _input, envelope) => ({ route: { pool: 'default', lane: 'normal', partition: '0' }, envelope }),
};

test.each([
  ['as ever', 3_600_000],
  ['long, as the projection is behind', 7 * 86_400_000],
])('what has ended and is forgotten is not redriven again, while records live %s', async (_how, lifeMs) => {
  const { submit, take, run, store, clock, ports, queue, eventually } = await open();
  const again = () => eventually(redrive({ ports: { ...ports, recordLifeMs: () => lifeMs }, admission }, 't.a'));
  await submit({ id: 'a' });
  await run(
    app(async () => failed(), { retry: { max: 1, firstMs: 0, factor: 1, maxMs: 0 } }),
    await take(),
  );
  const { id } = await again();
  await run(
    app(async () => completed()),
    await take(),
  );
  const now = new Date(queue.now()).toISOString();
  await store.project([row({ type: 't', id, status: 'completed', createdAt: now, finishedAt: now })]);
  await clock.advance(3 * 3_600_000);
  expect(await eventually(ports.records.get(`t.${id}`))).toBeUndefined();
  expect(await again()).toEqual({ id });
  expect((await queue.streamInfo('WORK_default')).messages).toBe(0);
});

/** A task that died of its one attempt. */
const died = async (submission: Submission) => {
  const world = await open();
  await world.submit(submission);
  const { id } = submission;
  const once = { retry: { max: 1, firstMs: 0, factor: 1, maxMs: 0 } };
  await world.run(
    app(async () => failed(), once),
    await world.take(),
  );
  return { ...world, again: (how = {}) => redrive({ ports: world.ports, admission, ...how }, taskKey('t', id)) };
};

test('it is the dead one’s again, as said of that, but for its time: that is what its task has now', async () => {
  const said = { tenant: 'acme', key: 'k', group: 'g' };
  const { again, clock, record, queue, run, take } = await died({ id: 'a', envelope: { ...said, deadlineMs: 60_000 } });
  await clock.advance(120_000);
  const own: Admission = {
    admit: async (_type, _input, envelope) => ({
      route: { pool: 'default', lane: 'normal', partition: '0' },
      envelope: { ...envelope, title: 'Pay', deadlineMs: envelope.deadlineMs ?? 30_000 },
    }),
  };
  const { id } = await again({ admission: own });
  const deadline = iso(queue.now() + 30_000);
  const redriven = { ...said, title: 'Pay', redriveOf: 'a', failures: 0, attempt: 0, deadline };
  expect(await record(id)).toMatchObject({ status: 'waiting', ...redriven });
  const delivery = await take();
  expect(delivery.headers['Troupe-Redrive-Of']).toBe('a');
  await run(
    app(async () => completed()),
    delivery,
  );
  expect(await record(id)).toMatchObject({ status: 'completed', ...redriven, attempt: 1 });
});

test('it is given the steps of one that KV has forgotten by the history, as they were recorded', async () => {
  const { again, clock, record, store, ports, eventually } = await died({ id: 'a' });
  await clock.advance(2 * 3_600_000);
  expect(await eventually(ports.records.get('t.a'))).toBeUndefined();
  const steps = [step('one'), step('two', { key: 'k', position: 1, result: undefined })];
  await store.project([row({ type: 't', id: 'a', status: 'dead', steps })]);
  const { id } = await eventually(again());
  const [at, ms] = ['2026-01-01T10:00:01.250Z', 12.5];
  expect((await record(id))?.steps).toEqual([
    { name: 'one', result: 1, at, ms },
    { name: 'two', key: 'k', at, ms },
  ]);
});

test('asked for twice on a node whose clock is behind that of the one it died on, it is the same', async () => {
  const { again, ports } = await died({ id: 'a' });
  const behind = { ports: { ...ports, queue: { ...ports.queue, now: () => ports.queue.now() - 10_000 } } };
  const first = await again(behind);
  expect(await again(behind)).toEqual(first);
});

test('one whose id has no room for another name is not redriven', async () => {
  const { again } = await died({ id: 'é'.repeat(255) });
  await expect(again()).rejects.toMatchObject({ code: 'invalid_input', message: expect.stringContaining('too long') });
});

test('a step to forget that it has not recorded is refused with those that it has, and nothing is redriven', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  const dying = app(
    async ({ journal }) => {
      for (const [name, key] of [
        ['fetch', undefined],
        ['page', '1'],
        ['page', '2'],
      ] as const)
        await journal.step(name, key, async () => name);
      return failed();
    },
    { retry: { max: 1, firstMs: 0, factor: 1, maxMs: 0 } },
  );
  await world.run(dying, await world.take());
  const again = (...forget: readonly string[]) => redrive({ ports: world.ports, admission, forget }, 't.a');
  for (const strange of ['fetsh', 'page:3', 'fetch:1'])
    await expect(again('fetch', strange)).rejects.toMatchObject({
      code: 'invalid_input',
      message: `forget: it has recorded no step "${strange}"; it has "fetch", "page"`,
    });
  expect((await world.queue.streamInfo('WORK_default')).messages).toBe(0);
  expect(await again('fetch', 'page:2')).toEqual({ id: 'a-r1' });
  expect((await world.record('a-r1'))?.steps.map(({ name, key }) => [name, key])).toEqual([['page', '1']]);
});

test('one that has recorded nothing forgets whatever it is told to', async () => {
  const { again } = await died({ id: 'a' });
  expect(await again({ forget: ['fetch'] })).toEqual({ id: 'a-r1' });
});
