import { expect, test } from 'vitest';
import type { Admission } from '../../src/task/admission.ts';
import { redrive } from '../../src/task/redrive.ts';
import { row } from '../store/rows.ts';
import { app, completed, failed, open } from './world.ts';

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
