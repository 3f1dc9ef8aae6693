/**
 * Cancelling writes the record first, without a life span, then takes away what would start the task, then gives the
 * record its span: a delayed task's schedule may fire long after an ordinary record would have been forgotten.
 */
import { streams, subjects } from '../bus/subjects.ts';
import { RefusedError } from '../kernel/errors.ts';
import type { TaskPorts } from './ports.ts';
import { isTerminal, type TaskRecord } from './record.ts';
import { recordOf, writeRecord } from './records.ts';
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
    const current = recordOf(entry);
    if (current && isTerminal(current)) {
      if (current.status === 'cancelled') await finishCancel(ports, recordKey);
      return current;
    }
    const record = cancelled(current ?? firstRecord(origin), why, ports.queue.now());
    const outcome = await writeRecord(ports, recordKey, record, { expected: entry?.revision ?? 0 });
    if (outcome.type === 'written') {
      ports.metrics.tasks.labels(record.type, record.status).inc();
      ports.bus.publish(subjects.cancel(recordKey), new Uint8Array());
      await finishCancel(ports, recordKey);
      return record;
    }
    entry = outcome.current;
  }
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
  const record = recordOf(entry);
  if (!entry || record?.status !== 'cancelled' || entry.ttlMs !== undefined) return true;
  await ports.queue.purge(streams.sched, subjects.schedOfTask(recordKey));
  try {
    // Who loses this write lost it to another that finishes the same cancellation.
    await writeRecord(ports, recordKey, record, { expected: entry.revision, ttlMs: ports.recordLifeMs() });
    return true;
  } catch (error) {
    if (error instanceof RefusedError) return false;
    throw error;
  }
};
