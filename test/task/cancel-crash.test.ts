import { expect, test } from 'vitest';
import { streams, subjects } from '../../src/bus/subjects.ts';
import { decodeRecord, encodeRecord } from '../../src/task/record.ts';
import { cancelled, firstRecord } from '../../src/task/transitions.ts';
import { open, outgoing } from './world.ts';
import { projector, projectorConsumers } from '../../src/actors/projector.ts';
import { finishCancel } from '../../src/task/cancel.ts';
import { submitTask } from '../../src/task/submit.ts';

const ackWaitMs = 30_000;

test('a cancellation whose canceller died after its first write is ended by the projector', async () => {
  const world = await open();
  const { ports, queue } = world.node();
  for (const spec of projectorConsumers(ackWaitMs)) await world.eventually(queue.ensureConsumer(spec));
  const task = outgoing(ports, { id: 'a', envelope: { delayMs: 60_000 } });
  await world.eventually(submitTask(ports, task, true));

  // All that the canceller came to do.
  const origin = { id: 'a', type: 't', route: task.route, inputHash: task.hash, submittedAt: queue.now() };
  const record = { ...cancelled(firstRecord(origin), undefined, queue.now()), w: 'dead' };
  await world.eventually(ports.records.update('t.a', encodeRecord(record), 0));

  const life = new AbortController();
  const start = projector({
    ...ports,
    store: world.store,
    ackWaitMs,
    finishCancel: (key) => finishCancel(ports, key),
  });
  const { exit } = await start(life.signal);
  await world.clock.advance(1_000);
  expect(await world.eventually(queue.subjects(streams.sched, subjects.schedOfTask('t.a')))).toEqual(new Map());
  const entry = await world.eventually(ports.records.get('t.a'));
  expect(entry?.ttlMs).toBe(3_600_000);
  expect(entry && decodeRecord(entry.value)?.status).toBe('cancelled');
  expect((await world.store.task('t', 'a'))?.status).toBe('cancelled');
  life.abort();
  await world.eventually(exit);
});
