import { expect, test } from 'vitest';
import { streams, subjects } from '../../src/bus/subjects.ts';
import { type Log, silentLog } from '../../src/kernel/log.ts';
import { decodeRecord, encodeRecord } from '../../src/task/record.ts';
import { cancelled, firstRecord } from '../../src/task/transitions.ts';
import { open, outgoing } from './world.ts';
import { projector, projectorConsumers } from '../../src/actors/projector.ts';
import { cancelTask, finishCancel } from '../../src/task/cancel.ts';
import { submitTask } from '../../src/task/submit.ts';

const ackWaitMs = 30_000;

/** A bucket in which a canceller has come no further than to its first write, and a projector. */
const halfCancelled = async () => {
  const world = await open();
  const { ports, queue } = world.node();
  for (const spec of projectorConsumers(ackWaitMs)) await world.eventually(queue.ensureConsumer(spec));
  const task = outgoing(ports, { id: 'a', envelope: { delayMs: 60_000 } });
  await world.eventually(submitTask(ports, task, true));
  const origin = { id: 'a', type: 't', route: task.route, inputHash: task.hash, submittedAt: queue.now() };
  const record = { ...cancelled(firstRecord(origin), undefined, queue.now()), w: 'dead' };
  await world.eventually(ports.records.update('t.a', encodeRecord(record), 0));

  const told: unknown[] = [];
  const log: Log = { ...silentLog, warn: (_fields, message) => told.push(message) };
  const project = async () => {
    const life = new AbortController();
    const finish = (key: string): Promise<boolean> => finishCancel(ports, key);
    const start = projector({ ...ports, log, store: world.store, ackWaitMs, finishCancel: finish });
    const { exit } = await start(life.signal);
    await world.clock.advance(1_000);
    return async () => {
      life.abort();
      await world.eventually(exit);
    };
  };
  const entry = () => world.eventually(ports.records.get('t.a'));
  return { ...world, ports, queue, origin, told, project, entry };
};

test('a cancellation whose canceller died after its first write is ended by the projector', async () => {
  const { queue, eventually, store, project, entry } = await halfCancelled();
  const stop = await project();
  expect(await eventually(queue.subjects(streams.sched, subjects.schedOfTask('t.a')))).toEqual(new Map());
  const found = await entry();
  expect(found?.ttlMs).toBe(3_600_000);
  expect(found && decodeRecord(found.value)?.status).toBe('cancelled');
  expect((await store.task('t', 'a'))?.status).toBe('cancelled');
  await stop();
});

test('a bucket that is too full for the end of a cancellation ends nothing, and it comes when there is space', async () => {
  const { ports, queue, eventually, clock, store, origin, told, project, entry } = await halfCancelled();
  const { bytes } = await eventually(queue.streamInfo(ports.records.stream));
  const setLimit = (maxBytes: number) =>
    eventually(queue.ensureStream({ name: ports.records.stream, subjects: ['$KV.tasks.>'], keep: 'last', maxBytes }));
  await setLimit(bytes);
  expect(await eventually(cancelTask(ports, 't.a', origin, undefined))).toMatchObject({ status: 'cancelled' });
  const stop = await project();
  expect((await store.task('t', 'a'))?.status).toBe('cancelled');
  expect((await entry())?.ttlMs).toBeUndefined();
  expect(told).toEqual(['records of cancelled tasks cannot be given their life now; it is tried again']);

  await setLimit(10 * bytes);
  await eventually(ports.records.put('t.b', encodeRecord({ ...firstRecord({ ...origin, id: 'b' }), w: 'b' })));
  await clock.advance(1_000);
  expect((await entry())?.ttlMs).toBe(3_600_000);
  await stop();
});
