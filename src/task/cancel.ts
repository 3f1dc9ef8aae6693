/**
 * Cancelling writes the record first, without a life span, then takes away what would start the task, then gives the
 * record its span: a delayed task's schedule may fire long after an ordinary record would have been forgotten.
 */
import { streams, subjects } from '../bus/subjects.ts';
import { RefusedError } from '../kernel/errors.ts';
import type { Entry } from '../kv/kv.ts';
import { writeUntilKnown } from '../kv/write.ts';
import type { TaskPorts } from './ports.ts';
import { decodeRecord, encodeRecord, isTerminal, type TaskRecord } from './record.ts';
import { cancelled, firstRecord, type Origin } from './transitions.ts';

/**
 * Cancels the task, whatever it does now, and answers its record: another one than `cancelled` if it ended before.
 * `origin` says what a task is that has no record yet.
 */
export const cancelTask = async (
  ports: TaskPorts,
  recordKey: string,
  origin: Origin,
  why: string | undefined,
): Promise<TaskRecord> => {
  let entry = await ports.records.get(recordKey);
  for (;;) {
    const current = entry && decodeRecord(entry.value);
    if (current && isTerminal(current)) {
      if (current.status === 'cancelled') await finishCancel(ports, recordKey);
      return current;
    }
    const record = cancelled(current ?? firstRecord(origin), why, ports.queue.now());
    const outcome = await writeCancelled(ports, recordKey, record, entry);
    if (outcome.type === 'written') {
      ports.metrics.tasks.labels(record.type, record.status).inc();
      ports.bus.publish(subjects.cancel(recordKey), new Uint8Array());
      await finishCancel(ports, recordKey);
      return record;
    }
    entry = outcome.current;
  }
};

const writeCancelled = (
  ports: TaskPorts,
  recordKey: string,
  record: TaskRecord,
  entry: Entry | undefined,
  ttlMs?: number,
) => {
  const w = ports.random.nonce();
  return writeUntilKnown(ports.records, {
    key: recordKey,
    value: encodeRecord({ ...record, w }),
    expected: entry?.revision ?? 0,
    ...(ttlMs === undefined ? {} : { ttlMs }),
    isMine: (found) => decodeRecord(found.value)?.w === w,
    clock: ports.clock,
    random: ports.random,
  });
};

/**
 * What is left to do of a cancellation. Nothing, if it has been done. Its messages stay where they are: whoever gets one
 * finds the record, or the history once that is forgotten; and to purge one that is in a worker's hands makes the server
 * ignore the naks of all that was handed out before it (measured, 2.15.1).
 *
 * Answers false where a full bucket refuses the record with its span: the task is cancelled all the same, and the
 * projector, who sees every record, tries again.
 */
export const finishCancel = async (ports: TaskPorts, recordKey: string): Promise<boolean> => {
  const entry = await ports.records.get(recordKey);
  const record = entry && decodeRecord(entry.value);
  if (!entry || record?.status !== 'cancelled' || entry.ttlMs !== undefined) return true;
  await ports.queue.purge(streams.sched, subjects.schedOfTask(recordKey));
  try {
    // Who loses this write lost it to another that finishes the same cancellation.
    await writeCancelled(ports, recordKey, record, entry, ports.recordLifeMs());
    return true;
  } catch (error) {
    if (error instanceof RefusedError) return false;
    throw error;
  }
};
