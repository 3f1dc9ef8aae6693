/** What a handler is given. */
import type { Log as NodeLog } from '../kernel/log.ts';
import type { Attempt } from '../task/executor.ts';
import type { Deps } from './register.ts';
import { journaled } from './tools.ts';
import type { Local, Log, StepInput, StepOptions, TaskCtx } from './context-types.ts';

export interface ContextOptions {
  readonly attempt: Attempt;
  readonly deps: unknown;
  readonly local: Local;
  readonly log: NodeLog;
  readonly step: (name: string, fn: (step: StepInput) => unknown, options?: StepOptions) => Promise<unknown>;
  readonly stream: TaskCtx['stream'];
  readonly submit: TaskCtx['submit'];
  readonly progress: (value: unknown) => void;
  readonly model: TaskCtx['model'];
  readonly embedding: TaskCtx['embedding'];
  readonly permit: TaskCtx['permit'];
}

export const context = ({
  attempt,
  deps,
  local,
  log,
  step,
  stream,
  submit,
  progress,
  model,
  embedding,
  permit,
}: ContextOptions): TaskCtx => {
  const { task, number, startedAt, signal } = attempt;
  return {
    id: task.id,
    attempt: number,
    ...(task.tenant === undefined ? {} : { tenant: task.tenant }),
    ...(task.key === undefined ? {} : { key: task.key }),
    ...(task.deadlineAt === undefined ? {} : { deadline: new Date(task.deadlineAt) }),
    startedAt: new Date(startedAt),
    abortSignal: signal,
    // oxlint-disable-next-line typescript/no-unnecessary-type-assertion -- Where the app registers its config, Deps is a type.
    deps: deps as Deps, // The app's own `deps` made it.
    log: logOf(log, { task: task.type, id: task.id, attempt: number }),
    local,
    model,
    embedding,
    permit,
    step: step as TaskCtx['step'], // The journal gives back what JSON makes of `fn`'s value: Jsonified<T>.
    tools: (tools) => journaled(step, tools),
    stream,
    submit,
    progress,
  };
};

/** Made when the first line is written: few tasks write one, and a logger of their own costs more than they do. */
const logOf = (log: NodeLog, fields: object): Log => {
  let own: NodeLog | undefined;
  const line =
    (level: keyof Log): Log[keyof Log] =>
    (...what) => {
      own ??= log.child(fields);
      own[level](...what);
    };
  return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
};
