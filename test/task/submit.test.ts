import { describe, expect, test } from 'vitest';
import type { Queue } from '../../src/bus/queue.ts';
import { streams } from '../../src/bus/subjects.ts';
import { TimeoutError } from '../../src/kernel/errors.ts';
import { bucket } from '../../src/kv/bucket.ts';
import { membersOf } from '../../src/task/group.ts';
import { publishOnce } from '../../src/task/publish.ts';
import { submitTask } from '../../src/task/submit.ts';
import { app, bytes, completed, open, outgoing } from './world.ts';

const opened = async (options?: Parameters<typeof open>[0]) => {
  const world = await open(options);
  const inWork = async (pool = 'default') => (await world.queue.streamInfo(streams.work('main', pool))).messages;
  const inSched = async () => (await world.queue.streamInfo('SCHED')).messages;
  return { ...world, inWork, inSched };
};

/** Leaves room for nothing more. */
const fillGroups = async (queue: Queue): Promise<void> => {
  const spec = { name: 'KV_groups', subjects: ['$KV.groups.>'], keep: 'last' } as const;
  await queue.ensureStream({ ...spec, maxBytes: (await queue.streamInfo(spec.name)).bytes });
};

describe('a message that must be stored once', () => {
  test('is, though answers are lost, and knows when it was not alone', async () => {
    const { ports, broker, queue, eventually } = await opened();
    const publish = (body: string) => publishOnce(ports, 'dlq.p.crash.t.a', bytes(body));
    broker.next('publish', 'lose_and_time_out', { subject: 'dlq.>' });
    broker.next('publish', 'refuse', { subject: 'dlq.>' });
    expect(await eventually(publish('one'))).toBe('stored');
    broker.next('publish', 'succeed_and_time_out', { subject: 'dlq.>' });
    expect(await eventually(publish('two'))).toBe('there');
    expect((await queue.streamInfo('DLQ')).messages).toBe(1);
  });

  test('is asked for as long as it should be, and then nobody knows', async () => {
    const { ports, broker, eventually, clock } = await opened();
    broker.next('publish', 'lose_and_time_out', { subject: 'dlq.>', times: 100 });
    const publish = publishOnce(ports, 'dlq.p.crash.t.a', bytes(''), { giveUpAfterMs: 30_000 });
    await expect(eventually(publish)).rejects.toMatchObject({ code: 'timeout' });
    expect(clock.monotonic()).toBeLessThan(40_000);
  });
});

describe('a submit', () => {
  test('is accepted when the server has stored it, once', async () => {
    const { submit, inWork } = await opened();
    expect(await submit({ id: 'a', input: { n: 1 } })).toEqual({ duplicate: false });
    expect(await submit({ id: 'a', input: { n: 1 } })).toEqual({ duplicate: true });
    expect(await inWork()).toBe(1);
  });

  test('whose answer was lost is its own, not a duplicate', async () => {
    for (const envelope of [{}, { delayMs: 0 }, { delayMs: 60_000 }]) {
      const { broker, submit, eventually } = await opened();
      broker.next('publish', 'succeed_and_time_out', { times: 2 });
      expect(await eventually(submit({ id: 'a', envelope }))).toEqual({ duplicate: false });
    }
  });

  test.each<readonly [string, object]>([
    ['in its pool', {}],
    ['without a delay', { delayMs: 0 }],
    ['delayed', { delayMs: 60_000 }],
  ])('of an id that another input has is a conflict: %s', async (_where, envelope) => {
    const { submit, inWork, inSched } = await opened();
    await submit({ id: 'a', input: 1, envelope });
    await expect(submit({ id: 'a', input: 2, envelope })).rejects.toMatchObject({
      code: 'id_conflict',
      message: expect.stringContaining('give this one another id'),
    });
    expect((await inWork()) + (await inSched())).toBe(1);
  });

  test('of an id whose task is done is its duplicate, or a conflict, as long as the record lives', async () => {
    const { submit, run, take, inWork, queue } = await opened();
    await submit({ id: 'a', input: 1 });
    await run(
      app(async () => completed()),
      await take(),
    );
    expect(await submit({ id: 'a', input: 1 })).toEqual({ duplicate: true, submittedAt: queue.now() });
    await expect(submit({ id: 'a', input: 2 })).rejects.toMatchObject({ code: 'id_conflict' });
    expect(await inWork()).toBe(0);
  });

  test('of an id whose task runs is its duplicate, or a conflict, in whatever lane that one came', async () => {
    const { submit, run, take, queue } = await opened();
    await submit({ id: 'a', input: 1 });
    const submittedAt = queue.now();
    const others = app(async ({ journal }) => {
      await journal.step('s', undefined, () => 1);
      expect(await submit({ id: 'a', input: 1, lane: 'high' })).toEqual({ duplicate: true, submittedAt });
      await expect(submit({ id: 'a', input: 2, lane: 'low' })).rejects.toMatchObject({ code: 'id_conflict' });
      return completed('well');
    });
    await run(others, await take());
    expect(await submit({ id: 'a', input: 1 })).toEqual({ duplicate: true, submittedAt });
  });

  test('of one id in two types is two tasks', async () => {
    const { submit, inWork } = await opened();
    await submit({ id: 'a', type: 't' });
    expect(await submit({ id: 'a', type: 'u', input: 1 })).toEqual({ duplicate: false });
    expect(await inWork()).toBe(2);
  });

  test('to a full pool is refused at once, and says when to come again', async () => {
    const { submit, clock } = await opened({ workBytes: 2_000 });
    const refused = async (n: number): Promise<never> => {
      await submit({ id: `a${n}`, input: 'x'.repeat(500) });
      return refused(n + 1);
    };
    await expect(refused(0)).rejects.toMatchObject({ code: 'overloaded', retryAfterMs: 1_000 });
    expect(clock.monotonic()).toBe(0);
  });

  test('that nobody answers in 30 s is unknown, and the same again finds out', async () => {
    const { broker, submit, eventually, inWork } = await opened();
    broker.next('publish', 'succeed_and_time_out', { subject: 'work.>', times: 100 });
    await expect(eventually(submit({ id: 'a' }))).rejects.toMatchObject({ code: 'timeout' });
    broker.setRates({});
    expect(await inWork()).toBe(1);
  });

  test('that cannot ask whether its id is taken is unknown, and harms nobody', async () => {
    const { broker, submit, eventually, inWork } = await opened();
    broker.next('publish', 'lose_and_time_out', { subject: 'work.>', times: 3 });
    broker.next('read', 'lose_and_time_out', { subject: '$KV.tasks.>', times: 2 });
    await expect(eventually(submit({ id: 'a' }))).rejects.toMatchObject({ code: 'timeout' });
    expect(await inWork()).toBe(1);
    expect(await submit({ id: 'a' })).toEqual({ duplicate: true });
  });

  test('whose task has begun already by the time it is looked for is no duplicate of itself', async () => {
    const { ports, submit, run, take, eventually } = await opened();
    const { records } = ports;
    const done = Promise.withResolvers<void>();
    const late: typeof records = { ...records, get: (key) => done.promise.then(() => records.get(key)) };
    const submitted = submitTask({ ...ports, records: late }, outgoing(ports, { id: 'a' }), true);
    await run(
      app(async () => completed()),
      await eventually(take()),
    );
    done.resolve();
    expect(await submitted).toEqual({ duplicate: false });
    expect(await submit({ id: 'a' })).toEqual({ duplicate: true, submittedAt: ports.queue.now() });
  });

  test('that is delayed waits in SCHED with when it was submitted, and is in its pool when it is due', async () => {
    const { submit, inWork, inSched, queue, clock } = await opened();
    const submitted = queue.now();
    await submit({ id: 'a', envelope: { delayMs: 60_000 } });
    expect([await inWork(), await inSched()]).toEqual([0, 1]);
    await clock.advance(59_999);
    expect(await queue.last('SCHED', 'due.>')).toBeUndefined();
    await clock.advance(1);
    const due = await queue.last('SCHED', 'due.>');
    expect(due?.subject).toBe('due.task.main.default.normal.0.t.a');
    expect(due?.headers['Troupe-Submitted']).toBe(String(submitted));
  });

  test('has a deadline that counts from its due time, from acceptance where that is over, and else from when it is stored', async () => {
    const { submit, queue, clock } = await opened();
    const now = clock.wall();
    const deadline = async (stream: string): Promise<string | undefined> =>
      (await queue.last(stream, '>'))?.headers['Troupe-Deadline'];
    await submit({ id: 'a', envelope: { delayMs: 60_000, deadlineMs: 5_000 } });
    expect(await deadline('SCHED')).toBe(new Date(now + 65_000).toISOString());
    await submit({ id: 'b', envelope: { dueAt: now - 60_000, deadlineMs: 5_000 } });
    expect(await deadline('SCHED')).toBe(new Date(now + 5_000).toISOString());
    await submit({ id: 'c', envelope: { deadlineMs: 5_000 } });
    expect(await deadline('WORK_default')).toBe('5000ms');
  });

  test('with a made id asks nobody whether it is taken', async () => {
    const { ports, broker, eventually } = await opened();
    broker.next('read', 'lose_and_time_out', { subject: '$KV.tasks.>' });
    const task = outgoing(ports, { id: 'made' });
    expect(await eventually(submitTask(ports, task, false))).toEqual({ duplicate: false });
  });

  test('in a group is counted in it once it is accepted', async () => {
    const { submit, ports } = await opened();
    await submit({ id: 'a', envelope: { group: 'g' } });
    await submit({ id: 'b/c', envelope: { group: 'g', delayMs: 5_000 } });
    await expect(submit({ id: 'a', input: 2, envelope: { group: 'g' } })).rejects.toMatchObject({
      code: 'id_conflict',
    });
    expect((await membersOf(ports, 'g')).toSorted()).toEqual(['t.=Yi9j', 't.a']);
  });

  test('in a group is accepted once the server answers, which it may for half a minute', async () => {
    const { submit, ports, broker, eventually, clock } = await opened();
    broker.next('publish', 'lose_and_time_out', { subject: '$KV.groups.>', times: 2 });
    expect(await eventually(submit({ id: 'a', envelope: { group: 'g' } }))).toEqual({ duplicate: false });
    expect(await membersOf(ports, 'g')).toEqual(['t.a']);
    const from = clock.monotonic();
    broker.next('publish', 'lose_and_time_out', { subject: '$KV.groups.>', times: 100 });
    await expect(eventually(submit({ id: 'b', envelope: { group: 'g' } }))).rejects.toMatchObject({ code: 'timeout' });
    expect(clock.monotonic() - from).toBeLessThan(40_000);
  });

  test('in a group that takes no more is refused, and nothing is stored', async () => {
    const { submit, ports, queue } = await opened();
    await submit({ id: 'a', envelope: { group: 'g' } });
    await fillGroups(queue);
    await expect(submit({ id: 'b', envelope: { group: 'g' } })).rejects.toMatchObject({
      code: 'overloaded',
      message: 'group "g" takes no more tasks (maximum bytes exceeded)',
      retryAfterMs: 1_000,
    });
    expect(await submit({ id: 'a', envelope: { group: 'g' } })).toEqual({ duplicate: true });
    expect(await membersOf(ports, 'g')).toEqual(['t.a']);
    expect((await queue.streamInfo('WORK_default')).messages).toBe(1);
  });

  test('in a group that has room for this one alone is accepted, and stays its member', async () => {
    const { submit, ports, queue, clock } = await opened();
    await submit({ id: 'a' });
    const refused = submit({ id: 'a', input: 2, envelope: { group: 'g' } });
    await expect(refused).rejects.toMatchObject({ code: 'id_conflict' }); // It was announced to its group before.
    await fillGroups(queue);
    await bucket(queue, 'groups').remove('g.t.a');
    await submit({ id: 'a', envelope: { group: 'g', delayMs: 366 * 86_400_000 } });
    await clock.advance(366 * 86_400_000);
    expect(await membersOf(ports, 'g')).toEqual(['t.a']);
  });

  test('that is not accepted is in its group for two minutes only', async () => {
    const { submit, ports, broker, clock } = await opened();
    broker.next('publish', 'lose_and_time_out', { subject: 'work.>', times: 40 });
    const refused = expect(submit({ id: 'a', envelope: { group: 'g' } })).rejects.toThrow(TimeoutError);
    await clock.advance(60_000);
    await refused;
    expect(await membersOf(ports, 'g')).toEqual(['t.a']);
    await clock.advance(60_000);
    expect(await membersOf(ports, 'g')).toEqual([]);
  });
});
