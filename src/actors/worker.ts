/**
 * Runs one task's handler at a time: says that it is idle, gets a delivery, says so again when the handler is over. What
 * came of it is written while the next handler runs already, as that needs no worker; with two unwritten outcomes a worker
 * is behind, and wants no third. The work happens outside `receive`, so a busy worker still reads its mailbox.
 */
import type { Delivery } from '../bus/queue.ts';
import { UnexpectedMessageError } from '../kernel/errors.ts';
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
  /** What is in hand is to be kept alive. */
  | { readonly type: 'beat' }
  /** The handler that runs is over. */
  | { readonly type: 'over' }
  | { readonly type: 'settled'; readonly work: Work };

/** A delivery in hand, until it is settled, or left to others. */
interface Work {
  readonly delivery: Delivery;
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
}

export const worker = ({
  name,
  ports,
  executor,
  idle,
  lives,
  lookUp,
}: WorkerOptions): Behavior<WorkerState, WorkerMessage> => {
  const begin = (
    { delivery, recordKey, permit }: Assignment,
    writing: Work | undefined,
    self: Self<WorkerMessage>,
  ): WorkerState => {
    const over = (): void => self.send(isOver);
    const options = { ports, executor, delivery, worker: name, lives, lookUp, permit, over };
    const settled = runDelivery(options).catch((error: unknown) => {
      // Troupe's own failure, or a port's: the record decides when the delivery comes again.
      ports.log.error({ err: error, task: recordKey, worker: name }, 'a delivery was left unsettled');
    });
    if (permit) void settled.then(permit.end); // It does not reject.
    const running: Work = { delivery, settled };
    self.pipe(settled, () => ({ type: 'settled', work: running }));
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
        case 'beat':
          state.running?.delivery.working();
          state.writing?.delivery.working();
          return state;
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
