/** What a handler is given. Members that few tasks use are made when they are first asked for. */
import type { Log as NodeLog } from '../kernel/log.ts';
import type { Attempt } from '../task/executor.ts';
import type { Deps } from './register.ts';
import type { Local, StepInput, StepOptions, TaskCtx } from './context-types.ts';

export interface ContextOptions {
  readonly attempt: Attempt;
  readonly deps: unknown;
  readonly local: Local;
  readonly log: NodeLog;
  readonly step: (name: string, fn: (step: StepInput) => unknown, options?: StepOptions) => Promise<unknown>;
  readonly submit: TaskCtx['submit'];
  readonly progress: (value: unknown) => void;
}

export const context = ({ attempt, deps, local, log, step, submit, progress }: ContextOptions): TaskCtx => {
  const { task, number, startedAt, signal } = attempt;
  let taskLog: NodeLog | undefined;
  return {
    id: task.id,
    attempt: number,
    ...(task.tenant === undefined ? {} : { tenant: task.tenant }),
    ...(task.taskKey === undefined ? {} : { key: task.taskKey }),
    ...(task.deadlineAt === undefined ? {} : { deadline: new Date(task.deadlineAt) }),
    startedAt: new Date(startedAt),
    abortSignal: signal,
    // oxlint-disable-next-line typescript/no-unnecessary-type-assertion -- Where the app registers its config, Deps is a type.
    deps: deps as Deps, // The app's own `deps` made it.
    get log() {
      taskLog ??= log.child({ task: task.type, id: task.id, attempt: number });
      return taskLog;
    },
    local,
    step: step as TaskCtx['step'], // The journal gives back what JSON makes of `fn`'s value: Jsonified<T>.
    submit,
    progress,
  };
};
