/** Runs an app's handlers for the workers: parses what comes in, checks what goes out, names what went wrong. */
import { InvalidInputError } from '../kernel/errors.ts';
import { once } from '../kernel/once.ts';
import type { AttemptModels, ModelLayer } from '../llm/layer.ts';
import type { Admission } from '../task/admission.ts';
import type { Attempt, Executor, Outcome, Runnable } from '../task/executor.ts';
import type { Journal } from '../task/journal.ts';
import { throughJson } from '../task/json.ts';
import type { TaskPorts } from '../task/ports.ts';
import { gatherer, type GathererOptions } from './batch.ts';
import { context } from './context.ts';
import type { BaseCtx, TaskCtx } from './context-types.ts';
import { tellDiverged } from './diverged.ts';
import { failureOf, outcomeOf } from './failure.ts';
import { lastAnswers } from './last-answers.ts';
import { localCache } from './local.ts';
import { modelsOf } from './models.ts';
import { parseInput, parseOutput, type Registry } from './registry.ts';
import type { ResolvedBatch, ResolvedTask } from './resolved.ts';
import { validate } from './schema.ts';
import { stepper, type StepRunner } from './steps.ts';
import { streamed } from './stream.ts';
import type { Chunk, StreamSource } from './stream-types.ts';
import { submitter } from './submit-child.ts';

export interface ExecutorOptions {
  readonly registry: Registry;
  readonly admission: Admission;
  readonly ports: TaskPorts;
  /** Made once, before the first task. */
  readonly deps: () => Promise<unknown>;
  readonly models: ModelLayer;
}

export const executor = (options: ExecutorOptions): Executor => {
  const { registry, ports } = options;
  const local = localCache(ports.clock);
  const depsOf = once(options.deps);

  const runnableOf = (task: ResolvedTask): Runnable => {
    const replays = ports.metrics.stepsReplayed.labels(task.name);
    const runner: StepRunner = { clock: ports.clock, random: ports.random, replayed: () => replays.inc() };
    const stream = (attempt: Attempt, source: StreamSource): Promise<void> => {
      const show = (chunk: Chunk): boolean => attempt.emit({ type: 'chunk', chunk });
      return streamed({ clock: ports.clock, log: ports.log, signal: attempt.signal, show }, source);
    };
    const contextOf = (attempt: Attempt, deps: unknown, models: AttemptModels = options.models.of(attempt)) =>
      context({
        ...modelsOf(registry.app, models, ports.metrics),
        attempt,
        deps,
        local,
        log: ports.log,
        step: stepper(runner, attempt),
        stream: (source) => stream(attempt, source),
        submit: submitter(options, attempt),
        progress: (value) => void attempt.emit({ type: 'progress', value: progressOf(task, value) }),
      });

    const gather =
      task.batch && batched(options, task, task.batch, async (attempt) => baseOf(contextOf(attempt, await depsOf())));
    const handler = task.handler ?? handledInBatches;

    const run = async (attempt: Attempt): Promise<Outcome> => {
      let input: unknown;
      try {
        const parsed = parseInput(task, attempt.input);
        input = parsed instanceof Promise ? await parsed : parsed;
      } catch (error) {
        return { type: 'refused', reason: 'invalid_input', error: failureOf(error) };
      }
      if (gather) return gather(attempt, input);
      const models = options.models.of(attempt);
      try {
        const deps = depsOf();
        const ctx = contextOf(attempt, deps instanceof Promise ? await deps : deps, models);
        const returned = await handler(ctx, input);
        tellDiverged(ports, attempt);
        const output = outputOf(task, returned, attempt.journal);
        return output instanceof Promise ? await output : output;
      } catch (error) {
        return outcomeOf(models.cause(error), ports.queue.now(), models.blamed(error));
      }
    };
    return { timeoutMs: task.timeoutMs, retry: task.retry, run };
  };

  const runnables = new Map([...registry.app.tasks].map(([name, task]) => [name, runnableOf(task)]));
  return { task: (type) => runnables.get(type) };
};

const batched = (
  { ports }: ExecutorOptions,
  task: ResolvedTask,
  batch: ResolvedBatch,
  contextOf: GathererOptions['contextOf'],
) => {
  const batches = ports.metrics.batches.labels(task.name);
  return gatherer({
    batch,
    clock: ports.clock,
    now: () => ports.queue.now(),
    contextOf,
    outcomeOfOutput: (output) => outputOf(task, output),
    begun: () => batches.inc(),
  });
};

/** A batch has no record of its own to write steps into, and no run to show anything in. */
const baseOf = ({
  step: _step,
  tools: _tools,
  stream: _stream,
  submit: _submit,
  progress: _progress,
  ...base
}: TaskCtx): BaseCtx => base;

const handledInBatches = (): never => {
  throw new Error('this task is handled in batches');
};

/**
 * A result that its schema refuses is a failure: the next attempt may give a better one. Not from the same answers,
 * though: those it was made of are forgotten, or it would fail for ever.
 */
const outputOf = (task: ResolvedTask, returned: unknown, journal?: Journal): Outcome | Promise<Outcome> => {
  const refused = (error: unknown): Outcome => invalidOutput(error, journal ? lastAnswers(journal) : []);
  const completed = (output: unknown): Outcome => ({
    type: 'completed',
    result: throughJson(output, `the result of task "${task.name}"`),
  });
  try {
    const output = parseOutput(task, returned);
    return output instanceof Promise ? output.then(completed).catch(refused) : completed(output);
  } catch (error) {
    return refused(error);
  }
};

const invalidOutput = (error: unknown, forget: readonly string[]): Outcome => {
  if (!(error instanceof InvalidInputError || error instanceof TypeError)) throw error;
  return { type: 'failed', error: { ...failureOf(error), code: 'invalid_output' }, forget };
};

const progressOf = (task: ResolvedTask, value: unknown): unknown => {
  if (!task.progress) return value;
  const parsed = validate(task.progress, value, `progress of task "${task.name}"`);
  if (parsed instanceof Promise)
    throw new InvalidInputError(`progress of task "${task.name}": its schema must not wait`);
  return parsed;
};
