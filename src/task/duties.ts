/**
 * What follows from a record once it is written (R2). All of it can be repeated, and is, by whoever finds the record
 * with its message still unsettled: the writer may have died in between. The ack comes last.
 */
import type { Delivery } from '../bus/queue.ts';
import { type Route, subjects, taskKey } from '../bus/subjects.ts';
import { finishCancel } from './cancel.ts';
import { type Carried, writeDeadLetter } from './dead-letter.ts';
import { carriedHeaders, header } from './headers.ts';
import type { Task } from './message.ts';
import type { TaskPorts } from './ports.ts';
import { encodeRecord, isTerminal, type TaskRecord } from './record.ts';
import { setTimer } from './timer.ts';
import { dead, firstRecord } from './transitions.ts';

/** Larger records are announced without their content. */
const hintBytesMax = 64 * 1024;

/** Tells whoever listens. A hint: the record is the truth. */
export const announce = (
  { bus }: Pick<TaskPorts, 'bus'>,
  record: TaskRecord,
  recordKey: string,
  bytes = encodeRecord(record),
): void => {
  bus.publish(
    subjects.results(recordKey),
    bytes.length <= hintBytesMax ? bytes : encodeRecord({ ...record, steps: [], result: null }),
  );
};

/** Sets the timer that brings a waiting task back into its pool. */
const scheduleReturn = async (
  ports: TaskPorts,
  record: TaskRecord,
  recordKey: string,
  route: Route,
  { payload, headers }: Carried,
): Promise<void> => {
  const { waiting } = record;
  if (!waiting?.scheduled) return;
  await setTimer(ports, subjects.sched(recordKey, waiting.n), payload, {
    headers: {
      ...headers,
      ...(record.deadline === undefined ? {} : { [header.deadline]: record.deadline }),
      [header.submitted]: String(Date.parse(record.createdAt)),
      [header.hash]: record.inputHash,
      [header.resume]: String(waiting.n),
    },
    schedule: { when: { at: Date.parse(waiting.until) }, target: subjects.due(ports.region, route, recordKey) },
  });
};

export interface Settling {
  readonly ports: TaskPorts;
  readonly delivery: Delivery;
  readonly task: Task;
}

/** Repeats the duties of `record`, then settles the delivery by it. `bytes`: the record's encoding, where it is at hand. */
export const settle = async (
  { ports, delivery, task: { recordKey, route } }: Settling,
  record: TaskRecord,
  bytes?: Uint8Array,
): Promise<void> => {
  if (isTerminal(record)) announce(ports, record, recordKey, bytes);
  if (record.status === 'completed') return delivery.ack();
  const carried: Carried = { payload: delivery.data, headers: carriedHeaders(delivery.headers) };
  if (record.status === 'dead') {
    await writeDeadLetter(ports, record, recordKey, carried);
    return delivery.term(record.reason ?? 'dead');
  }
  if (record.status === 'cancelled') await finishCancel(ports, recordKey);
  if (record.status === 'waiting') {
    if (!record.waiting?.scheduled) return delivery.nak(untilDue(ports, record));
    await scheduleReturn(ports, record, recordKey, route, carried);
  }
  delivery.ack();
};

const untilDue = ({ queue }: TaskPorts, { waiting }: TaskRecord): number =>
  waiting ? Math.max(0, Date.parse(waiting.until) - queue.now()) : 0;

/** It was accepted, so it has a letter, under a name of its own: the id's record and letter are the other task's. */
export const settleConflict = async ({ ports, delivery, task }: Settling): Promise<void> => {
  const { type, id } = task;
  const made = `${delivery.stream}-${delivery.seq}-${delivery.at}`;
  const message = `id "${id}" belongs to an earlier "${type}" with another input; give this one another id`;
  const first = firstRecord({ ...task, id: made, submittedAt: delivery.at });
  const record = dead(first, 'id_conflict', { code: 'id_conflict', message }, ports.queue.now());
  const carried: Carried = { payload: delivery.data, headers: carriedHeaders(delivery.headers) };
  await writeDeadLetter(ports, record, taskKey(type, made), carried);
  delivery.term('id_conflict');
};
