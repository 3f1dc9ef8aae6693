import { expect, test } from 'vitest';
import { all, bytes, consuming, type Make, sched, text, work } from './world.ts';

export const scheduleContract = (make: Make): void => {
  const open = async () => {
    const world = await make();
    const link = await world.connect();
    await link.queue.ensureStream(sched);
    await link.queue.ensureConsumer({ ...all, stream: 'SCHED', name: 'due', filter: 'due.>', ackWaitMs: 60_000 });
    return { world, ...link, due: consuming(link.queue, 'SCHED', 'due') };
  };

  test('a schedule publishes to its target when it is due, with its own headers and data, and is gone', async () => {
    const { world, queue, due } = await open();
    const at = Math.ceil(queue.now()) + 1_000;
    const headers = { 'Troupe-Id': 'a', 'Troupe-Lane': 'high' };
    await queue.publish('sched.a', bytes('later'), { headers, schedule: { when: { at }, target: 'due.a' } });
    due.pull({ batch: 1, waitMs: 10_000 });
    const [fired] = await world.eventually(due.deliveries.count(1));
    expect(fired).toMatchObject({ subject: 'due.a', headers });
    expect(text(fired?.data)).toBe('later');
    expect(fired?.at).toBeGreaterThanOrEqual(at - 1);
    expect(await queue.last('SCHED', 'sched.a')).toBeUndefined();
  });

  test('a schedule shows what was ordered while it waits', async () => {
    const { queue } = await open();
    const at = Date.UTC(2090, 0, 1);
    await queue.publish('sched.a', bytes('x'), { schedule: { when: { at }, target: 'due.a' } });
    const ordered = { 'Nats-Schedule': '@at 2090-01-01T00:00:00.000Z', 'Nats-Schedule-Target': 'due.a' };
    expect((await queue.last('SCHED', 'sched.a'))?.headers).toMatchObject(ordered);
  });

  test('what was due in the past is due now', async () => {
    const { world, queue, due } = await open();
    const at = queue.now() - 60_000;
    await queue.publish('sched.a', bytes('x'), { schedule: { when: { at }, target: 'due.a' } });
    due.pull({ batch: 1, waitMs: 10_000 });
    await world.eventually(due.deliveries.count(1));
  });

  test('an interval and a cron line fire again and again', async () => {
    const { world, queue, due } = await open();
    await queue.publish('sched.every', bytes('x'), { schedule: { when: { every: 1_000 }, target: 'due.every' } });
    const cron = { cron: '* * * * * *', timezone: 'Europe/Berlin' };
    await queue.publish('sched.cron', bytes('x'), { schedule: { when: cron, target: 'due.cron' } });
    due.pull({ batch: 6, waitMs: 20_000 });
    const fired = await world.eventually(due.deliveries.count(6));
    for (const subject of ['due.every', 'due.cron']) {
      expect(fired.filter((each) => each.subject === subject).length).toBeGreaterThanOrEqual(2);
    }
  });

  test('a schedule that was purged does not fire', async () => {
    const { world, queue, due } = await open();
    const now = queue.now();
    await queue.publish('sched.a', bytes('x'), { schedule: { when: { at: now + 600 }, target: 'due.a' } });
    await queue.publish('sched.b', bytes('x'), { schedule: { when: { at: now + 1_500 }, target: 'due.b' } });
    expect(await queue.purge('SCHED', 'sched.a')).toBe(1);
    due.pull({ batch: 2, waitMs: 10_000 });
    await world.eventually(due.deliveries.count(1));
    expect(due.deliveries.items.map(({ subject }) => subject)).toEqual(['due.b']);
  });

  test('of many who schedule on the same subject, one does', async () => {
    const { queue } = await open();
    const when = { at: queue.now() + 60_000 };
    const schedule = { when, target: 'due.a' };
    await queue.publish('sched.a', bytes('first'), { expectSeq: 0, schedule });
    const second = queue.publish('sched.a', bytes('second'), { expectSeq: 0, schedule });
    await expect(second).rejects.toMatchObject({ code: 'conflict' });
  });

  test('a schedule that cannot be is refused', async () => {
    const { queue } = await open();
    await queue.ensureStream(work);
    const when = { at: queue.now() + 60_000 };
    const publish = (subject: string, target: string) =>
      queue.publish(subject, bytes('x'), { schedule: { when, target } });
    await expect(publish('sched.a', 'elsewhere.a')).rejects.toMatchObject({ code: 'refused' });
    await expect(publish('work.a', 'work.b')).rejects.toMatchObject({ code: 'refused' });
    for (const wrong of [{ cron: 'now and then' }, { cron: '* * * * * *\r\nNats-TTL: 1s' }, { at: Number.NaN }]) {
      const published = queue.publish('sched.a', bytes('x'), { schedule: { when: wrong, target: 'due.a' } });
      await expect(published).rejects.toMatchObject({ code: 'refused' });
    }
  });
};
