import { expect, test } from 'vitest';
import { originOf } from '../../src/actors/doors-origin.ts';
import { cancelTask } from '../../src/task/cancel.ts';
import { findTask } from '../../src/task/find.ts';
import { submitTask } from '../../src/task/submit.ts';
import { open, outgoing } from '../task/world.ts';

const said = { key: 'k', tenant: 'n', group: 'g', title: 'Größe', deadlineMs: 600_000 };

test.each([
  ['queued', {}],
  ['delayed', { delayMs: 60_000 }],
])('a %s task that is cancelled leaves a record of all that its submitter said', async (_, delay) => {
  const { ports, submit, record, clock } = await open();
  const dueAt = clock.wall() + ('delayMs' in delay ? delay.delayMs : 0);
  await submit({ id: 'a', envelope: { ...said, ...delay } });
  const status = await findTask(ports, 't.a');
  if (!status) throw new Error('it is not found');
  await cancelTask(ports, 't.a', await originOf(ports, status, 't.a'), undefined);
  const { deadlineMs, ...rest } = said;
  const deadline = new Date(dueAt + deadlineMs).toISOString();
  expect(await record('a')).toMatchObject({ status: 'cancelled', ...rest, deadline });
});

test.each([
  ['waits in its pool', 0, 0],
  ['is delayed', 60_000, 0],
  ['is due, and not moved yet', 60_000, 60_000],
])('what came with a task is known of one without a record that %s', async (_where, delayMs, laterMs) => {
  const { ports, clock } = await open();
  const submittedAt = clock.wall();
  const { deadlineMs: _, ...brought } = said;
  const envelope = { ...brought, ...(delayMs > 0 && { delayMs }) };
  const task = { ...outgoing(ports, { id: 'a', pool: 'slow', lane: 'low', envelope }), parent: 'p.q', redriveOf: 'z' };
  await submitTask(ports, task, true);
  await clock.advance(laterMs);
  const status = await findTask(ports, 't.a');
  expect(status && (await originOf(ports, status, 't.a'))).toEqual({
    type: 't',
    id: 'a',
    route: { pool: 'slow', lane: 'low', partition: '0' },
    inputHash: task.hash,
    ...brought,
    parent: 'p.q',
    redriveOf: 'z',
    submittedAt,
  });
});
