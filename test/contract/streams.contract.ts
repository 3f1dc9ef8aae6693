import { expect, test } from 'vitest';
import { all, bytes, consuming, latest, log, type Make, sched, work } from './world.ts';

export const streamsContract = (make: Make): void => {
  test('a stream that is there already stays what it is: same incarnation, nothing lost', async () => {
    const { connect } = await make();
    const { queue } = await connect();
    for (const spec of [work, log, latest, sched]) {
      const made = await queue.ensureStream(spec);
      expect(made).toMatchObject({ name: spec.name, lastSeq: 0, messages: 0 });
      const [subject = ''] = spec.subjects;
      await queue.publish(subject.replace('>', 'a'), bytes('x'));
      const again = await queue.ensureStream(spec);
      expect(again).toMatchObject({ incarnation: made.incarnation, messages: 1, lastSeq: 1 });
      expect((await queue.streamInfo(spec.name)).incarnation).toBe(made.incarnation);
    }
  });

  test('several who make the same stream at once get the same one', async () => {
    const { connect } = await make();
    const links = await Promise.all([connect(), connect(), connect()]);
    const made = await Promise.all(links.map(({ queue }) => queue.ensureStream(work)));
    expect(new Set(made.map(({ incarnation }) => incarnation)).size).toBe(1);
  });

  test('limits follow the spec', async () => {
    const { connect } = await make();
    const { queue } = await connect();
    expect((await queue.ensureStream({ ...work, maxBytes: 10_000 })).maxBytes).toBe(10_000);
    const raised = await queue.ensureStream({ ...work, maxBytes: 20_000 });
    expect(raised.maxBytes).toBe(20_000);
    expect(await queue.streamInfo('WORK')).toMatchObject({ maxBytes: 20_000, incarnation: raised.incarnation });
  });

  test('what a stream keeps cannot be changed, and the refusal names the stream', async () => {
    const { connect } = await make();
    const { queue } = await connect();
    await queue.ensureStream(work);
    const change = queue.ensureStream({ ...work, keep: 'limits' });
    await expect(change).rejects.toMatchObject({ code: 'refused', message: expect.stringContaining('WORK') });
  });

  test('two streams cannot take the same subject', async () => {
    const { connect } = await make();
    const { queue } = await connect();
    await queue.ensureStream(work);
    const clash = queue.ensureStream({ name: 'OTHER', subjects: ['work.a'], keep: 'work' });
    await expect(clash).rejects.toMatchObject({ code: 'refused' });
  });

  test('the streams that take a subject are found by it, as many as some wildcard may mean', async () => {
    const { connect } = await make();
    const { queue } = await connect();
    expect(await queue.streamsTaking('>')).toEqual([]);
    for (const pool of ['a', 'b'])
      await queue.ensureStream({
        ...work,
        name: `WORK_${pool}`,
        subjects: [`work.${pool}.high.>`, `work.${pool}.low.>`],
      });
    await queue.ensureStream(log);
    const taking = async (filter: string): Promise<readonly string[]> => (await queue.streamsTaking(filter)).toSorted();
    expect(await taking('work.a.low.x')).toEqual(['WORK_a']);
    expect(await taking('work.*.*.x')).toEqual(['WORK_a', 'WORK_b']);
    expect(await taking('work.*.none.x')).toEqual([]);
    expect(await taking('work.a')).toEqual([]);
    expect(await taking('>')).toEqual(['LOG', 'WORK_a', 'WORK_b']);
  });

  test('a log forgets by age', async () => {
    const { connect, eventually, clock } = await make();
    const { queue } = await connect();
    await queue.ensureStream({ ...log, maxAgeMs: 500 });
    await queue.publish('log.a', bytes('x'));
    const gone = async (): Promise<void> => {
      while ((await queue.streamInfo('LOG')).messages > 0) await clock.sleep(50);
    };
    await eventually(gone());
  });

  test('a consumer that is there already follows its spec and keeps its place', async () => {
    const { connect } = await make();
    const { queue } = await connect();
    await queue.ensureStream(work);
    await queue.ensureConsumer(all);
    await queue.publish('work.a', bytes('x'));
    await queue.ensureConsumer({ ...all, maxAckPending: 7, ackWaitMs: 2_000 });
    const idle = { pending: 1, ackPending: 0, redelivered: 0, waiting: 0, ackFloor: 0, handedOut: 0 };
    expect(await queue.consumerInfo('WORK', 'all')).toEqual(idle);
  });

  test('its ack wait is not shortened while somebody pulls from it or has something in hand; else it is', async () => {
    const { connect } = await make();
    const { queue } = await connect();
    await queue.ensureStream(work);
    const given = async (ackWaitMs: number): Promise<number> =>
      (await queue.ensureConsumer({ ...all, ackWaitMs })).ackWaitMs;
    expect([await given(60_000), await given(30_000)]).toEqual([60_000, 30_000]);
    const { deliveries, pull } = consuming(queue);
    pull({ batch: 1, waitMs: 10_000 });
    await expect.poll(async () => (await queue.consumerInfo('WORK', 'all')).waiting).toBe(1);
    expect([await given(2_000), await given(40_000)]).toEqual([30_000, 40_000]);
    await queue.publish('work.a', bytes('x'));
    const [delivery] = await deliveries.count(1);
    expect([await given(2_000), await given(50_000)]).toEqual([40_000, 50_000]);
    delivery?.ack();
    await expect.poll(async () => (await queue.consumerInfo('WORK', 'all')).ackPending).toBe(0);
    expect(await given(2_000)).toBe(2_000);
  });

  test('a consumer needs its stream, and on a work queue its filter for itself', async () => {
    const { connect } = await make();
    const { queue } = await connect();
    await expect(queue.ensureConsumer(all)).rejects.toMatchObject({ code: 'not_found' });
    await queue.ensureStream(work);
    await queue.ensureConsumer({ ...all, name: 'a', filter: 'work.a.>' });
    await queue.ensureConsumer({ ...all, name: 'b', filter: 'work.b.>' });
    const clash = queue.ensureConsumer({ ...all, name: 'c', filter: 'work.a.x' });
    await expect(clash).rejects.toMatchObject({ code: 'refused', message: expect.stringContaining('work') });
  });

  test('a work queue is acked one by one', async () => {
    const { connect } = await make();
    const { queue } = await connect();
    await queue.ensureStream(work);
    await expect(queue.ensureConsumer({ ...all, ack: 'through' })).rejects.toMatchObject({ code: 'refused' });
  });

  test('an account without a limit has none', async () => {
    const { connect } = await make();
    const { queue } = await connect();
    expect(await queue.storageLimit()).toBeUndefined();
  });
};
