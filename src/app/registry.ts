/** What edge, ingress and worker ask of an app: which task this is, whether its input will do, and what its policy says. */
import { UnknownTaskError } from '../kernel/errors.ts';
import type { Choice, ResolvedApp, ResolvedTask } from './resolved.ts';
import { type Schema, validate } from './schema.ts';
import { didYouMean } from './suggest.ts';

export interface Registry {
  readonly app: ResolvedApp;
  /** Throws UnknownTaskError, with the name that was probably meant. */
  taskOf(name: string): ResolvedTask;
}

export const registry = (app: ResolvedApp): Registry => ({
  app,
  taskOf: (name) => {
    const task = app.tasks.get(name);
    if (task !== undefined) return task;
    throw new UnknownTaskError(`there is no task "${name.slice(0, 80)}"${didYouMean(name, app.tasks.keys())}`);
  },
});

/**
 * At the edge: validates the input and says what the task's policy makes of it. What the schema made of the input is
 * dropped, for the wire carries what was sent. A promise only where the schema is one that waits. Throws, or rejects
 * with, InvalidInputError.
 */
export const admit = (task: ResolvedTask, input: unknown): Choice | Promise<Choice> => {
  const value = parseInput(task, input);
  return value instanceof Promise ? value.then(task.choose) : task.choose(value);
};

/** In the worker: the input as the handler takes it. Throws, or rejects with, InvalidInputError. */
export const parseInput = (task: ResolvedTask, input: unknown): unknown => parse(task.input, input, 'input', task);

/** In the worker: the handler's result as the schema gives it; a task without `output` has none. */
export const parseOutput = (task: ResolvedTask, output: unknown): unknown =>
  task.output && parse(task.output, output, 'output', task);

const parse = (schema: Schema, value: unknown, what: string, { name }: ResolvedTask): unknown =>
  validate(schema, value, `${what} of task "${name}"`);
