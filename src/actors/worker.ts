/**
 * Works on one task at a time: says that it is idle, gets a delivery, runs it to its settlement, says so again. The work
 * happens outside `receive`, so a busy worker still reads its mailbox.
 */
import { match } from 'ts-pattern';
import type { Delivery } from '../bus/queue.ts';
import { TaskCancelledError, UnexpectedMessageError } from '../kernel/errors.ts';
import { linked } from '../kernel/signal.ts';
import type { Executor } from '../task/executor.ts';
import type { TaskPorts } from '../task/ports.ts';
import { type Lookup, runDelivery } from '../task/run.ts';
import type { ActorRef, Behavior, Self } from './actor.ts';

export interface Assignment {
  readonly delivery: Delivery;
  readonly recordKey: string;
  readonly lookup: Promise<Lookup>;
}

export type WorkerMessage =
  | ({ readonly type: 'work' } & Assignment)
  | { readonly type: 'cancel'; readonly recordKey: string }
  /** The puller has started anew and does not know who is idle. */
  | { readonly type: 'introduce' }
  | { readonly type: 'finish' };

export type WorkerState =
  | { readonly status: 'idle' }
  | { readonly status: 'busy'; readonly recordKey: string; readonly work: Promise<void>; readonly life: AbortController };

export interface WorkerOptions {
  readonly name: string;
  readonly ports: TaskPorts;
  readonly executor: Executor;
  /** Tells the puller that this worker wants a task. */
  readonly idle: (worker: string) => void;
  /** Of all tasks of the pool: aborts when they have had their grace and must go back to the queue. */
  readonly life: () => AbortSignal;
}

export const worker = ({ name, ports, executor, idle, life: poolLife }: WorkerOptions): Behavior<WorkerState, WorkerMessage> => {
  const begin = ({ delivery, recordKey, lookup }: Assignment, self: Self<WorkerMessage>): WorkerState => {
    // Not of the actor's own signal: a worker that stops lets its task end.
    const life = linked(poolLife());
    const work = runDelivery({ ports, executor, delivery, worker: name, signal: life.signal, lookup })
      .catch((error: unknown) => {
        // Troupe's own failure, or a port's: the record decides when the delivery comes again.
        ports.log.error({ err: error, task: recordKey, worker: name }, 'a delivery was left unsettled');
      })
      .finally(() => life.abort());
    self.pipe(work, () => ({ type: 'finish' }));
    return { status: 'busy', recordKey, work, life };
  };

  const rest = (): WorkerState => {
    idle(name);
    return { status: 'idle' };
  };

  return {
    init: rest,
    receive: (state, message, self) =>
      match<[WorkerState, WorkerMessage], WorkerState>([state, message])
        .with([{ status: 'idle' }, { type: 'work' }], ([, assignment]) => begin(assignment, self))
        .with([{ status: 'busy' }, { type: 'finish' }], rest)
        .with([{ status: 'busy' }, { type: 'cancel' }], ([busy, { recordKey }]) => {
          if (busy.recordKey === recordKey) busy.life.abort(new TaskCancelledError(`task ${recordKey} was cancelled`));
          return busy;
        })
        .with([{ status: 'idle' }, { type: 'introduce' }], rest)
        .with([{ status: 'busy' }, { type: 'introduce' }], ([busy]) => busy)
        .with([{ status: 'idle' }, { type: 'cancel' }], ([resting]) => resting) // The task ended first.
        .with([{ status: 'idle' }, { type: 'finish' }], [{ status: 'busy' }, { type: 'work' }], () => {
          throw new UnexpectedMessageError(state.status, message.type);
        })
        .exhaustive(),
    terminate: (state) => (state.status === 'busy' ? state.work : undefined),
  };
};

export type WorkerRef = ActorRef<WorkerMessage>;
