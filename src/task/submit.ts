/** Accepting a task: one durable write, into its pool's stream or into SCHED. Accepted means that the server said so. */
import { streams, subjects, taskKey } from '../bus/subjects.ts';
import type { StreamPublishOptions } from '../bus/queue.ts';
import { IdConflictError, OverloadedError, RefusedError, TimeoutError } from '../kernel/errors.ts';
import { optional } from '../kernel/optional.ts';
import { isUnanswered } from '../kernel/unanswered.ts';
import { acceptAsMember } from './group.ts';
import { encodeHeaders, inputHashOf, type Outgoing } from './message.ts';
import { header } from './headers.ts';
import type { TaskPorts } from './ports.ts';
import { storeOnce } from './publish.ts';
import { holds, isTerminal, type TaskRecord } from './record.ts';
import { readRecord, recordOf } from './records.ts';
import { setTimer } from './timer.ts';

export type SubmitPorts = Pick<TaskPorts, 'queue' | 'records' | 'clock' | 'random' | 'region'> &
  Partial<Pick<TaskPorts, 'log' | 'metrics'>>;

export interface Accepted {
  /** The id was known, with the same input: this is the earlier task. */
  readonly duplicate: boolean;
  /** When that was submitted, epoch ms, if it has a record. */
  readonly submittedAt?: number;
}

/** How long to go on asking a server that does not answer. */
const giveUpAfterMs = 30_000;
const overloadedRetryMs = 1_000;

/**
 * Throws `OverloadedError` (the queue is full, or what remembers groups: not accepted), `IdConflictError` (the id belongs
 * to a task with another input), and `TimeoutError` where the server did not answer in 30 s: the same submit again is
 * safe, and finds out.
 *
 * `usedId`: somebody may have used the id before, as its submitter chose it, or as the task has waited under it.
 */
export const submitTask = (ports: SubmitPorts, task: Outgoing, usedId: boolean): Promise<Accepted> => {
  const { group } = task.envelope;
  if (group === undefined) return accept(ports, task, usedId);
  const { submittedAt = ports.queue.now() } = task;
  const joining = { group, recordKey: taskKey(task.type, task.id), submittedAt, dueAt: dueOf(ports, task) };
  return acceptAsMember(ports, joining, () => accept(ports, task, usedId));
};

const accept = async (ports: SubmitPorts, task: Outgoing, usedId: boolean): Promise<Accepted> => {
  const recordKey = taskKey(task.type, task.id);
  // Of a task that has ended nothing must be stored: a worker would begin with it before it finds that out.
  const ended = usedId ? await peek(ports, recordKey) : undefined;
  if (ended) return asDuplicate(task, ended);
  // The message first, the record then: whatever becomes of an earlier task meanwhile, one of the two shows it.
  const place = placeOf(ports, task, recordKey);
  const storing = store(ports, task, place);
  const earlier = usedId ? ports.records.get(recordKey) : undefined;
  earlier?.catch(() => undefined); // Awaited below, though perhaps long after it has failed.
  const seq = await storing;
  const known =
    earlier &&
    (await earlier.catch((cause: unknown) => {
      const message = `task "${task.type}" was stored, but nobody says whether its id was taken before`;
      throw new TimeoutError(message, { cause });
    }));
  const record = recordOf(known);
  if (record && seq !== undefined && holds(record, { stream: place.stream, seq })) return { duplicate: false };
  if (record) return asDuplicate(task, record);
  return seq === undefined ? compareStored(ports, task, place, recordKey) : { duplicate: false };
};

/** The record of a task that has ended, as far as any replica knows. Nobody needs to answer. */
const peek = async ({ records }: SubmitPorts, recordKey: string): Promise<TaskRecord | undefined> => {
  try {
    const record = recordOf((await records.getMany([recordKey])).get(recordKey));
    return record && isTerminal(record) ? record : undefined;
  } catch (error) {
    if (isUnanswered(error)) return undefined;
    throw error;
  }
};

/** Answers the message's place in the stream, 0 for a timer's, and `undefined` where the subject holds another one. */
const store = async (ports: SubmitPorts, task: Outgoing, place: Place): Promise<number | undefined> => {
  const { subject, schedule, dueAt } = place;
  try {
    if (!schedule)
      return await storeOnce(ports, subject, task.payload, { headers: encodeHeaders(dated(task)), giveUpAfterMs });
    const headers = encodeHeaders(dated({ submittedAt: ports.queue.now(), ...task }, dueAt));
    const stored = await setTimer(ports, subject, task.payload, { headers, giveUpAfterMs, schedule });
    return stored === 'stored' ? 0 : undefined;
  } catch (error) {
    throw error instanceof RefusedError ? overloaded(task, error) : error;
  }
};

/** With its deadline as a date, where that counts from a moment other than the one in which its pool stores it. */
const dated = (task: Outgoing, dueAt = 0): Outgoing => {
  const { deadlineMs, ...envelope } = task.envelope;
  const from = Math.max(dueAt, task.submittedAt ?? 0);
  if (deadlineMs === undefined || from === 0) return task;
  return { ...task, envelope: { ...envelope, deadlineAt: from + deadlineMs } };
};

const overloaded = ({ type, route }: Outgoing, cause: RefusedError): OverloadedError =>
  new OverloadedError(`task "${type}" was not accepted: pool "${route.pool}" takes no more (${cause.message})`, {
    cause,
    retryAfterMs: overloadedRetryMs,
  });

interface Place extends Pick<StreamPublishOptions, 'schedule'> {
  readonly stream: string;
  readonly subject: string;
  /** Epoch ms, where it waits for that. */
  readonly dueAt?: number;
}

/** Epoch ms; 0 where it need not wait. */
const dueOf = ({ queue }: Pick<SubmitPorts, 'queue'>, { envelope }: Outgoing): number => {
  const { delayMs = 0, dueAt } = envelope;
  return dueAt ?? (delayMs && queue.now() + delayMs);
};

/** Where it waits: in its pool, or in SCHED until it is due. */
const placeOf = (ports: SubmitPorts, task: Outgoing, recordKey: string): Place => {
  const { region } = ports;
  const { route } = task;
  const dueAt = dueOf(ports, task);
  if (!dueAt) return { stream: streams.work(region, route.pool), subject: subjects.work(region, route, recordKey) };
  const schedule = { when: { at: dueAt }, target: subjects.due(region, route, recordKey) };
  return { stream: streams.sched, subject: subjects.sched(recordKey, 0), schedule, dueAt };
};

/** The subject holds a message for this id: this very one, the same task's, or another task's. */
const compareStored = async (
  { queue, records }: SubmitPorts,
  task: Outgoing,
  { stream, subject }: Place,
  recordKey: string,
): Promise<Accepted> => {
  const stored = await queue.last(stream, subject);
  if (stored?.headers[header.nonce] === task.nonce) return { duplicate: false };
  if (stored) return asDuplicate(task, { inputHash: inputHashOf(stored) });
  return asDuplicate(task, await readRecord({ records }, recordKey)); // It has been settled since.
};

const asDuplicate = (
  task: Outgoing,
  { inputHash, createdAt }: Partial<Pick<TaskRecord, 'inputHash' | 'createdAt'>> = {},
): Accepted => {
  if (inputHash === undefined || inputHash === task.hash)
    return optional({ duplicate: true, submittedAt: createdAt === undefined ? undefined : Date.parse(createdAt) });
  throw new IdConflictError(
    `id "${task.id}" belongs to an earlier "${task.type}" with another input; give this one another id`,
  );
};
