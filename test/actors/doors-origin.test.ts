import { expect, test } from 'vitest';
import { originOf } from '../../src/actors/doors-origin.ts';
import { cancelTask } from '../../src/task/cancel.ts';
import { findTask } from '../../src/task/find.ts';
import { open } from '../task/world.ts';

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
