/**
 * Runs one task's handler at a time: says that it is idle, gets a delivery, says so again when the handler is over. What
 * came of it is written while the next handler runs already, as that needs no worker; with two unwritten outcomes a worker
 * is behind, and wants no third. The work happens outside `receive`, so a busy worker still reads its mailbox.
 */
import type { Delivery } from '../bus/queue.ts';
import { UnexpectedMessageError } from '../kernel/errors.ts';
import type { Numbered } from '../kernel/numbered.ts';
import { levelOf } from '../kernel/unanswered.ts';
import type { Executor } from '../task/executor.ts';
import type { Lives } from '../task/lives.ts';
import type { TaskPorts } from '../task/ports.ts';
import type { LookUp } from '../task/lookup.ts';
import { runDelivery } from '../task/run.ts';
import type { StartPermit } from '../task/start-permit.ts';
import type { ActorRef, Behavior, Self } from './actor.ts';

export interface Assignment {
  readonly delivery: Delivery;
  readonly recordKey: string;
  /** For the start, where the task has a budget. */
  readonly permit?: StartPermit | undefined;
}

export type WorkerMessage =
  | ({ readonly type: 'work' } & Assignment)
  /** The puller has started anew and does not know who is idle. */
  | { readonly type: 'introduce' }
  /** The handler that runs is over. */
  | { readonly type: 'over' }
  | { readonly type: 'settled'; readonly work: Work };

/** A delivery in hand, until it is settled, or left to others. */
interface Work {
  /** Never rejects. */
  readonly settled: Promise<void>;
}

interface Busy {
  readonly status: 'busy';
  readonly running: Work;
  /** Its handler was over before. */
  readonly writing: Work | undefined;
}

export type WorkerState =
  | { readonly status: 'idle'; readonly running: undefined; readonly writing: Work | undefined }
  | Busy
  /** Both handlers are over. */
  | { readonly status: 'behind'; readonly running: Work; readonly writing: Work };

export interface WorkerOptions {
  readonly name: string;
  readonly ports: TaskPorts;
  readonly executor: Executor;
  /** Tells the puller that this worker wants a task. */
  readonly idle: (worker: string) => void;
  readonly lives: Lives;
  readonly lookUp: LookUp;
  /** What is to be kept alive: each delivery until it is settled, or left to others. */
  readonly inHand: Numbered<Delivery>;
}

export const worker = (options: WorkerOptions): Behavior<WorkerState, WorkerMessage> => {
  const { name, ports, executor, idle, lives, lookUp, inHand } = options;

  /** Does not reject. */
  const run = async ({ delivery, recordKey, permit }: Assignment, over: () => void): Promise<void> => {
    const number = inHand.add(delivery);
    try {
      await runDelivery({ ports, executor, delivery, worker: name, lives, lookUp, permit, over });
    } catch (error) {
      // Troupe's own failure, or a port's: the record decides when the delivery comes again.
      ports.log[levelOf(error)]({ err: error, task: recordKey, worker: name }, 'a delivery was left unsettled');
    } finally {
      inHand.remove(number);
      permit?.end();
    }
  };

  const begin = (work: Assignment, writing: Work | undefined, self: Self<WorkerMessage>): WorkerState => {
    const running: Work = { settled: run(work, () => self.send(isOver)) };
    self.pipe(running.settled, () => ({ type: 'settled', work: running }));
    return { status: 'busy', running, writing };
  };

  const rest = (writing: Work | undefined): WorkerState => {
    idle(name);
    return { status: 'idle', running: undefined, writing };
  };

  const over = ({ running, writing }: Busy): WorkerState =>
    writing ? { status: 'behind', running, writing } : rest(running);

  const settled = (state: WorkerState, work: Work): WorkerState => {
    if (work === state.running) return rest(state.writing);
    if (state.status === 'behind') return rest(state.running);
    return { ...state, writing: undefined };
  };

  return {
    init: () => rest(undefined),
    receive: (state, message, self) => {
      switch (message.type) {
        case 'work':
          if (state.status === 'idle') return begin(message, state.writing, self);
          break;
        case 'over':
          if (state.status === 'busy') return over(state);
          break;
        case 'settled':
          return settled(state, message.work);
        case 'introduce':
          return state.status === 'idle' ? rest(state.writing) : state;
      }
      throw new UnexpectedMessageError(state.status, message.type);
    },
    // Its task ends by itself, or when the pool's grace is over.
    terminate: async ({ running, writing }) => {
      await Promise.all([running?.settled, writing?.settled]);
    },
  };
};

const isOver: WorkerMessage = { type: 'over' };

export type WorkerRef = ActorRef<WorkerMessage>;
