/**
 * Whose is this task? A delivery is a question, the record is the answer (R1–R3). The decision is pure; what it needs
 * to know of the world, it names.
 */
import { type HandOut, type Held, holds, isOvertaken, isTerminal, lostMax, type TaskRecord } from './record.ts';
import { begun, begunAfterLoss, firstRecord } from './transitions.ts';
import type { Task } from './message.ts';

export type Decision =
  /** Run it, once `record` is written. */
  | { readonly type: 'run'; readonly record: TaskRecord }
  /** It is done or waits elsewhere: repeat what follows from its record, then settle the delivery. */
  | { readonly type: 'settle'; readonly record: TaskRecord }
  /** Another message holds the task: this one is a twin, or a timer that nobody waits for any more. */
  | { readonly type: 'drop' }
  /** A later delivery of this message has begun it, and will settle it: that may go on. */
  | { readonly type: 'leave' }
  /** The id is another task's, with another input: this message will never run under it. */
  | { readonly type: 'conflict' }
  /** Too many attempts have vanished without an outcome. */
  | { readonly type: 'crashed'; readonly record: TaskRecord }
  /** Not yet: hand it back for `delayMs`. */
  | { readonly type: 'later'; readonly delayMs: number }
  /** Ask whether the message that holds the task is still stored, or whether the history has its end; then decide again. */
  | {
      readonly type: 'ask';
      readonly about: { readonly type: 'held'; readonly held: Held } | { readonly type: 'history' };
    };

export interface Situation {
  readonly delivery: HandOut;
  readonly task: Task;
  readonly worker: string;
  /** Its claim is written before its handler is called, as with a budget: so without a record it never began. */
  readonly claimedFirst?: boolean;
  /** Server's clock, epoch ms. */
  readonly now: number;
  /** The least that a terminal record lives in KV, in ms. */
  readonly lifeMs: number;
  /** Whether the message that the record names is still in its stream; absent until it was asked. */
  readonly heldIsStored?: boolean;
  /** Whether the history knows this task's own end, which KV has forgotten; absent until it was asked. */
  readonly forgotten?: boolean;
}

/** As much of it as whoever has lost a task needs. */
export interface Lost extends Pick<Situation, 'delivery'> {
  readonly task: Pick<Task, 'inputHash'>;
}

export const decide = (record: TaskRecord | undefined, situation: Situation): Decision => {
  if (!record) return decideUnknown(situation);
  if (isAnothers(record, situation)) return { type: 'conflict' };
  if (isTerminal(record)) return { type: 'settle', record };
  if (isOvertaken(record, situation.delivery)) return { type: 'leave' };
  return record.status === 'waiting' ? decideWaiting(record, situation) : decideRunning(record, situation);
};

/**
 * Whether the record is that of another input under the same id. The doors see most of these; two submits that take
 * different ways, one delayed, one not, or each to a lane of its own, meet here.
 */
const isAnothers = (record: TaskRecord, { delivery, task }: Lost): boolean =>
  record.inputHash !== task.inputHash && record.inputHash !== '' && task.inputHash !== '' && !holds(record, delivery);

/**
 * A first delivery begins at once: the create at revision 0 decides. A later one may follow a worker that died, but for
 * a task whose claim comes first. A timer without a record comes too late: the record was terminal and is forgotten, for
 * only terminal ones ever are.
 */
const decideUnknown = (situation: Situation): Decision => {
  const { delivery, task, worker, now, forgotten, claimedFirst = false } = situation;
  if (task.resume > 0 || forgotten) return { type: 'drop' };
  if (mayBeForgotten(situation) && forgotten === undefined) return { type: 'ask', about: { type: 'history' } };
  const first = firstRecord(task);
  if (delivery.deliveries === 1 || claimedFirst) return { type: 'run', record: begun(first, delivery, worker, now) };
  const lost = { ...first, attempt: 1 };
  return { type: 'run', record: begunAfterLoss(lost, delivery, worker, now) };
};

/** So old that a terminal record of this task could have come and gone. */
export const mayBeForgotten = ({ task, now, lifeMs }: Pick<Situation, 'task' | 'now' | 'lifeMs'>): boolean =>
  now - task.submittedAt > lifeMs / 2;

const decideWaiting = (record: TaskRecord, { delivery, task, worker, now, heldIsStored }: Situation): Decision => {
  const { waiting } = record;
  const claimed: Decision = { type: 'run', record: begun(record, delivery, worker, now) };
  if (!waiting) return claimed;
  const holder = holds(record, delivery);
  if (waiting.scheduled) {
    if (holder) return { type: 'settle', record };
    return task.resume === waiting.n ? claimed : { type: 'drop' };
  }
  if (!holder && heldIsStored === undefined) return askAbout(record, claimed);
  if (!holder && heldIsStored) return { type: 'drop' };
  const delayMs = Date.parse(waiting.until) - now;
  return delayMs > 0 ? { type: 'later', delayMs } : claimed;
};

const decideRunning = (record: TaskRecord, { delivery, worker, now, heldIsStored }: Situation): Decision => {
  const next = begunAfterLoss(record, delivery, worker, now);
  const taken: Decision = (next.lost ?? 0) >= lostMax ? { type: 'crashed', record } : { type: 'run', record: next };
  if (holds(record, delivery)) return taken;
  if (heldIsStored === undefined) return askAbout(record, taken);
  return heldIsStored ? { type: 'drop' } : taken;
};

const askAbout = ({ held }: TaskRecord, otherwise: Decision): Decision =>
  held ? { type: 'ask', about: { type: 'held', held } } : otherwise;

/** What is left to do for an attempt that lost its task to `record`; never to run it. */
export const decideLoser = (
  record: TaskRecord | undefined,
  situation: Lost,
): Extract<Decision, { type: 'settle' | 'drop' | 'leave' | 'conflict' }> => {
  if (!record) return { type: 'leave' };
  if (isAnothers(record, situation)) return { type: 'conflict' };
  if (isTerminal(record)) return { type: 'settle', record };
  // The same message is in another worker's hands, who will settle it; any other message makes this one a twin.
  return { type: holds(record, situation.delivery) ? 'leave' : 'drop' };
};
