/**
 * Works on one task at a time: says that it is idle, gets a delivery, runs it to its settlement, says so again. The work
 * happens outside `receive`, so a busy worker still reads its mailbox.
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
  | { readonly type: 'finish' };

export type WorkerState = { readonly status: 'idle' } | { readonly status: 'busy'; readonly work: Promise<void> };

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
  const begin = ({ delivery, recordKey, permit }: Assignment, self: Self<WorkerMessage>): WorkerState => {
    const options = { ports, executor, delivery, worker: name, lives, lookUp, permit };
    const work = runDelivery(options).catch((error: unknown) => {
      // Troupe's own failure, or a port's: the record decides when the delivery comes again.
      ports.log.error({ err: error, task: recordKey, worker: name }, 'a delivery was left unsettled');
    });
    if (permit) void work.then(permit.end); // It does not reject.
    self.pipe(work, () => finish);
    return { status: 'busy', work };
  };

  const rest = (): WorkerState => {
    idle(name);
    return resting;
  };

  return {
    init: rest,
    receive: (state, message, self) => {
      switch (message.type) {
        case 'work':
          if (state.status === 'idle') return begin(message, self);
          break;
        case 'finish':
          if (state.status === 'busy') return rest();
          break;
        case 'introduce':
          return state.status === 'idle' ? rest() : state;
      }
      throw new UnexpectedMessageError(state.status, message.type);
    },
    // Its task ends by itself, or when the pool's grace is over.
    terminate: (state) => (state.status === 'busy' ? state.work : undefined),
  };
};

const finish: WorkerMessage = { type: 'finish' };
const resting: WorkerState = { status: 'idle' };

export type WorkerRef = ActorRef<WorkerMessage>;
