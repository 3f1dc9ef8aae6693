import { expect, test } from 'vitest';
import { intake } from '../../src/actors/intake.ts';
import { later } from '../../src/actors/later.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { bytes } from '../task/world.ts';
import { ingressWorld } from './ingress-world.ts';

test('what is handed back stays away for a second, and of very many so many a second come again', async () => {
  const clock = virtualClock();
  const laterMs = later(clock);
  const delays = Array.from({ length: 5_001 }, laterMs);
  expect([delays[0], delays[500], delays[5_000]]).toEqual([1_000, 2_000, 11_000]);
  await clock.advance(9_000);
  expect(laterMs()).toBe(2_002);
  await clock.advance(60_000);
  expect(laterMs()).toBe(1_000);
});

test('a full pool’s tasks keep those of another pool neither in the inbox nor in SCHED, and ask no more than they may', async () => {
  const { queue, inbox, due, clock, eventually } = await ingressWorld();
  const publish = (times: number, subject: (n: number) => string): Promise<unknown> =>
    Promise.all(Array.from({ length: times }, (_, n) => queue.publish(subject(n), bytes('{"to":"a"}'))));
  await publish(1_000, (n) => `work.main.default.normal.0.t.${n}`);
  await publish(5_100, () => 'tasks.mail');
  await publish(5_100, (n) => `due.task.main.default.normal.0.t.due-${n}`);
  const life = new AbortController();
  const asked = { inbox: 0, due: 0 };
  const reading = { queue, clock, log: silentLog, concurrency: 256, ackWaitMs: 30_000 };
  const readers = [
    intake({
      ...reading,
      stream: 'INBOX',
      consumer: 'ingress',
      handle: (delivery) => ((asked.inbox += 1), inbox(delivery)),
    }),
    intake({ ...reading, stream: 'SCHED', consumer: 'due', handle: (delivery) => ((asked.due += 1), due(delivery)) }),
  ];
  const started = await Promise.all(readers.map((start) => start(life.signal)));
  await clock.advance(1);
  await queue.publish('tasks.note', bytes('1'));
  await queue.publish('due.task.main.slow.low.0.note.two', bytes('1'));
  await clock.settle();
  const moved = [...(await queue.subjects('WORK_slow', '>')).keys()].toSorted();
  expect(moved).toEqual(['work.main.slow.low.0.note.one', 'work.main.slow.low.0.note.two']);
  const first = { ...asked };
  await clock.advance(4_000);
  expect(asked.inbox - first.inbox).toBeLessThanOrEqual(4 * 500);
  expect(asked.due - first.due).toBeLessThanOrEqual(4 * 500);
  life.abort();
  await eventually(Promise.all(started.map(({ exit }) => exit)));
});
