/**
 * One delivery in a worker's hands, from its arrival to its settlement. A first delivery's handler starts at once, while
 * its record is still being looked up. A step waits for the answer, so that none runs that is recorded; a handler's end
 * does not, as creating the record tells the same.
 */
import type { Delivery } from '../bus/queue.ts';
import { DeadlineExceededError, FencedError, PayloadTooLargeError, RefusedError } from '../kernel/errors.ts';
import { mayBeForgotten } from './claim.ts';
import { type Settling, settle } from './duties.ts';
import type { Executor, Outcome, Runnable } from './executor.ts';
import type { Lives } from './lives.ts';
import type { Found, Lookup, LookUp } from './lookup.ts';
import { attempted, DrainedError, type Handled } from './handler.ts';
import { decodeTask, type Task } from './message.ts';
import { recordAfter } from './outcome.ts';
import type { TaskPorts } from './ports.ts';
import { isTerminal, type TaskRecord } from './record.ts';
import type { StartPermit } from './start-permit.ts';
import { begun, firstRecord, handedBack } from './transitions.ts';
import { settleStranger } from './stranger.ts';
import { type Claim, dispose, settleAsLoser, takeOver } from './take.ts';
import { unknownTask } from './unknown-task.ts';
import { type RecordWriter, recordWriter } from './writer.ts';

export interface RunOptions {
  readonly ports: TaskPorts;
  readonly executor: Executor;
  readonly delivery: Delivery;
  /** Its name, in the record. */
  readonly worker: string;
  /** Stops attempts: with `DrainedError` when the worker must stop, with `TaskCancelledError` when the task is cancelled. */
  readonly lives: Lives;
  readonly lookUp: LookUp;
  /**
   * For the start, where the task has a budget: the claim is written before it. It is ended with the attempt, or else by
   * who gave it.
   */
  readonly permit?: StartPermit | undefined;
  /** Called when the handler has an outcome, once at most: what remains is to write it, and no handler is run any more. */
  readonly over: () => void;
}

/** Runs the task, unless somebody else has it or has done it. Resolves when the delivery is settled, or left to others. */
export const runDelivery = async (options: RunOptions): Promise<void> => {
  const { ports, executor, delivery, worker, lookUp, permit } = options;
  const task = decodeTask(delivery);
  if (!task) return settleStranger(ports, delivery);
  const settling: Settling = { ports, delivery, task };
  const runnable = executor.task(task.type) ?? unknownTask(task, ports.queue.now);
  const now = ports.queue.now();

  if (!permit && isFirst(delivery, task) && !mayBeForgotten({ task, now, lifeMs: ports.shortestLifeMs })) {
    const record = begun(firstRecord(task), delivery, worker, now);
    const ran = await runClaimed(options, settling, runnable, { record, revision: 0 }, lookUp(task.recordKey));
    if (ran === 'settled') return;
    if (ran === 'over') return dispose(settling, { worker, claimedFirst: false });
  }
  const claim = await takeOver(settling, { worker, claimedFirst: permit !== undefined });
  if (claim) await runClaimed(options, settling, runnable, claim);
};

/** No other delivery of this message, and no timer, came before: most likely nobody has the task. */
const isFirst = (delivery: Delivery, task: Task): boolean => delivery.deliveries === 1 && task.resume === 0;

/** Of an attempt: `stranger` and `over` mean that its claim was none, as there is a record, or nobody can tell. */
type Ran = 'settled' | 'stranger' | /** And it had called `over` by then. */ 'over';

/** `lookup`: without one the claim is written. */
const runClaimed = async (
  { ports, delivery, lives, permit, over }: RunOptions,
  settling: Settling,
  runnable: Runnable,
  { record, revision }: Claim,
  lookup?: Lookup,
): Promise<Ran> => {
  const { task } = settling;
  const life = lives.begin(task.recordKey);
  const fenced = (error: FencedError): void => {
    ports.metrics.fenced.labels(task.type).inc();
    life.abort(error);
  };
  const writer = recordWriter({ ports, recordKey: task.recordKey, record, revision, fenced });
  let isOurs = lookup === undefined;
  const told = (found: Found): RecordWriter | undefined => {
    isOurs = found === 'absent';
    if (isOurs) return writer;
    if (found === 'unasked') return undefined; // The attempt is over: no step of it runs any more.
    life.abort(new FencedError(`task ${task.recordKey} has a record already`));
    return undefined;
  };
  const ours = lookup ? lookup.found.then(told) : Promise.resolve(writer);
  ports.metrics.attempts.labels(task.type).inc();
  const from = ports.clock.monotonic();
  const handled = await attempted({ ports, task, runnable, record, writer: ours, life, permit });
  permit?.end();
  ports.metrics.attemptSeconds.labels(task.type).observe((ports.clock.monotonic() - from) / 1_000);
  life.end();
  if (handled.type === 'outcome') {
    over();
    lookup?.drop();
  } else if (!(await ours)) return 'stranger';
  try {
    await commit(settling, writer, handled, runnable);
  } catch (error) {
    if (!(error instanceof FencedError)) throw error;
    if (!isOurs) return 'over';
    await settleAsLoser(settling);
  }
  if (delivery.deliveries > 1) ports.metrics.redeliveries.labels(task.route.pool).inc();
  return 'settled';
};

/** Writes what came of the attempt, and settles the delivery by it. Throws `FencedError` if the task is another's. */
const commit = (settling: Settling, writer: RecordWriter, handled: Handled, runnable: Runnable): Promise<void> => {
  if (handled.type === 'outcome') return commitOutcome(settling, writer, handled.outcome, runnable);
  if (handled.reason instanceof DrainedError) return handBack(settling, writer);
  if (handled.reason instanceof DeadlineExceededError) {
    const { code, message } = handled.reason;
    return commitOutcome(settling, writer, { type: 'refused', reason: 'deadline', error: { code, message } }, runnable);
  }
  writer.close(); // Cancelled or fenced: somebody else has written.
  return settleAsLoser(settling);
};

const commitOutcome = async (
  settling: Settling,
  writer: RecordWriter,
  outcome: Outcome,
  runnable: Runnable,
  before = writer.record(),
): Promise<void> => {
  const { ports } = settling;
  const circumstances = { retry: runnable.retry, now: ports.queue.now(), random: ports.random };
  try {
    await writer.end(() => recordAfter(before, outcome, circumstances));
  } catch (error) {
    const lesser = lesserOf(error, before, outcome, writer.record());
    if (!lesser) throw error;
    return commitOutcome(settling, writer, lesser.outcome, runnable, lesser.before);
  }
  const record = writer.record();
  if (isTerminal(record)) ports.metrics.tasks.labels(record.type, record.status).inc();
  await settle(settling, record, writer.bytes());
};

interface Commit {
  readonly before: TaskRecord;
  readonly outcome: Outcome;
}

/** What is written instead, if anything can be left out. `left`: the record without what was refused. */
const lesserOf = (error: unknown, before: TaskRecord, outcome: Outcome, left: TaskRecord): Commit | undefined => {
  if (error instanceof PayloadTooLargeError) {
    if (before.steps.length === 0 && outcome.type === 'refused') return undefined;
    // A record that does not fit with its steps is written without them, as that of a task that cannot be done.
    const { code, message } = error;
    return {
      before: { ...before, steps: [] },
      outcome: { type: 'refused', reason: 'refused', error: { code, message } },
    };
  }
  if (!(error instanceof RefusedError)) return undefined;
  if (left.steps.length < before.steps.length) return { before: left, outcome };
  if (outcome.type !== 'completed') return undefined;
  // A bucket has no room for the result: there may be some when it is tried again.
  const { code, message } = error;
  const { usage } = outcome;
  return { before, outcome: { type: 'failed', error: { code, message }, ...(usage && { usage }) } };
};

/** Back to the queue, as if it had not begun: the record says so, be it the task's first. */
const handBack = async (settling: Settling, writer: RecordWriter): Promise<void> => {
  await writer.end((record) => handedBack(record, settling.ports.queue.now()));
  settling.delivery.nak();
};
