import { expect, test } from 'vitest';
import { fromCron } from '../../src/actors/cron.ts';
import { madeId } from '../../src/task/made-id.ts';
import { type CronSpec, schedules, setSchedules } from '../../src/actors/schedules.ts';
import type { Delivery } from '../../src/bus/queue.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { bucket } from '../../src/kv/bucket.ts';
import { deployingMs } from '../../src/task/unknown-task.ts';
import { encodeRecord } from '../../src/task/record.ts';
import { dead, firstRecord } from '../../src/task/transitions.ts';
import { bytes, text } from '../task/world.ts';
import { ingressWorld } from './ingress-world.ts';

const hourly: CronSpec = {
  name: 'digest',
  task: 'mail',
  when: { every: 3_600_000 },
  input: { to: 'a' },
  overlap: 'skip',
};

const secondly = { every: 1_000 };

const opened = async (...specs: readonly CronSpec[]) => {
  const world = await ingressWorld();
  await setSchedules(world.queue, specs);
  const fire = async () => {
    const delivery = await world.eventually(world.next('SCHED', 'due'));
    await world.eventually(world.cron(delivery));
    await world.clock.settle();
    return delivery;
  };
  const inWork = async () =>
    [...(await world.queue.subjects('WORK_default', '>')).keys()].map((each) => each.split('.').at(-1));
  const scheduled = async () => [...(await world.queue.subjects('SCHED', 'sched.>')).keys()].toSorted();
  return { ...world, fire, inWork, scheduled };
};

test('each firing is a task of its own, with the input of its schedule', async () => {
  const { fire, inWork, queue } = await opened({ ...hourly, overlap: 'allow' });
  const firings = [await fire(), await fire()];
  expect(await inWork()).toEqual(firings.map((firing) => `digest-${madeId(firing)}`));
  const stored = await queue.last('WORK_default', '>');
  expect(text(stored?.data)).toBe('{"to":"a"}');
  expect(stored?.headers['Troupe-Submitted']).toBe(String(Date.UTC(2026, 0, 1, 2)));
  expect(stored?.headers['Troupe-Deadline']).toBe(new Date(Date.UTC(2026, 0, 1, 3)).toISOString());
});

test('a firing that is handed out twice is one task', async () => {
  const { fire, inWork, broker, left } = await opened(hourly);
  broker.next('ack', 'lose', { subject: 'due.>' });
  const first = await fire();
  const again = await fire();
  expect([again.seq, again.deliveries]).toEqual([first.seq, 2]);
  expect([(await inWork()).length, await left('SCHED')]).toEqual([1, 1]);
});

test('a firing is skipped while the last one’s task has not ended, and only then', async () => {
  const { fire, inWork, queue, ports } = await opened(hourly);
  await fire();
  await fire();
  expect(await inWork()).toHaveLength(1);
  const [id] = await inWork();
  await queue.purge('WORK_default', '>');
  const route = { pool: 'default', lane: 'normal', partition: '0' } as const;
  const running = firstRecord({ id: id ?? '', type: 'mail', route, inputHash: 'h', submittedAt: 0 });
  const revision = await ports.records.update(`mail.${id}`, encodeRecord(running), 0);
  await fire();
  expect(await inWork()).toEqual([]);
  await ports.records.update(
    `mail.${id}`,
    encodeRecord(dead(running, 'crash', { code: 'c', message: 'm' }, 0)),
    revision,
  );
  const next = await fire();
  expect(await inWork()).toEqual([`digest-${madeId(next)}`]);
});

test('of firings that come all at once, to several nodes, one makes a task', async () => {
  const { next, cron, node, admitting, eventually, inWork, left } = await opened({ ...hourly, when: secondly });
  const { ports } = node('another');
  const elsewhere = fromCron({ ports, admission: admitting });
  const held: Delivery[] = [];
  for (let n = 0; n < 6; n += 1) held.push(await eventually(next('SCHED', 'due')));
  await eventually(Promise.all(held.map((delivery, n) => (n % 2 === 0 ? cron(delivery) : elsewhere(delivery)))));
  expect(await inWork()).toHaveLength(1);
  expect(await left('SCHED')).toBe(1);
});

test('a firing whose task is about to be stored counts as running, and for a minute only', async () => {
  const { fire, inWork, queue, clock } = await opened({ ...hourly, when: secondly });
  await bucket(queue, 'crons').put('digest', bytes('mail.digest-other'));
  await fire();
  expect(await inWork()).toEqual([]);
  await clock.advance(60_000);
  const firing = await fire();
  expect(await inWork()).toEqual([`digest-${madeId(firing)}`]);
});

test('a full pool, or a server that does not answer, leaves the firing for later', async () => {
  const { fire, inWork, broker } = await opened(hourly);
  broker.next('publish', 'refuse', { subject: 'work.>', times: 40 });
  await fire();
  expect(await inWork()).toEqual([]);
  await fire();
  expect(await inWork()).toHaveLength(1);
});

test('a firing that its task does not take is dropped and counted, and the next one is another', async () => {
  const { fire, left, ports, inWork } = await opened({ ...hourly, name: 'odd', input: { to: 7 } });
  await fire();
  expect([await inWork(), await left('SCHED')]).toEqual([[], 1]);
  expect(await ports.metrics.text()).toContain('troupe_bad_input_total{reason="invalid_input"} 1');
});

test('a firing for a task that is not here is left to nodes that have it, until a deployment would be over', async () => {
  const { fire, left, ports, queue } = await opened({ ...hourly, task: 'gone' });
  const first = await fire();
  expect(await left('SCHED')).toBe(2);
  let last = first;
  while (queue.now() < first.at + deployingMs) last = await fire();
  expect(last.seq).toBe(first.seq);
  expect(await left('SCHED')).toBe(1);
  expect(await ports.metrics.text()).toContain('troupe_bad_input_total{reason="unknown_task"} 1');
});

test('what somebody published where firings come is no firing', async () => {
  const { queue, fire, left, letters } = await opened();
  await queue.publish('due.cron.digest', bytes('1'));
  await fire();
  expect([await left('SCHED'), (await letters()).length]).toEqual([0, 1]);
});

test('schedules are set as the app has them, and those that have not changed keep their phase', async () => {
  const { queue, clock, scheduled, fire } = await opened(hourly, { ...hourly, name: 'old' });
  expect(await scheduled()).toEqual(['sched.cron.digest', 'sched.cron.old']);
  await clock.advance(1_800_000);
  await setSchedules(queue, [hourly, { ...hourly, name: 'new' }]);
  expect(await scheduled()).toEqual(['sched.cron.digest', 'sched.cron.new']);
  expect((await fire()).at).toBe(Date.UTC(2026, 0, 1, 1));
  await setSchedules(queue, [
    { ...hourly, input: { to: 'b' } },
    { ...hourly, name: 'new' },
  ]);
  expect(text((await queue.last('SCHED', 'sched.cron.digest'))?.data)).toBe('{"to":"b"}');
});

test('a schedule that a node of another version has removed is back within minutes, and who removes one says so', async () => {
  const { queue, clock, scheduled } = await opened(hourly);
  const told: unknown[] = [];
  const log = { ...silentLog, info: (...what: unknown[]) => void told.push(what) };
  const life = new AbortController();
  const { exit } = await schedules({ queue, clock, log }, [hourly]).start(life.signal);
  expect(await setSchedules(queue, [{ ...hourly, name: 'before' }])).toEqual(['digest']);
  expect(await scheduled()).toEqual(['sched.cron.before']);
  await clock.advance(300_000);
  expect(await scheduled()).toEqual(['sched.cron.digest']);
  expect(told).toEqual([[{ schedule: 'before' }, 'removed a schedule that this app does not have']]);
  life.abort();
  await exit;
});
