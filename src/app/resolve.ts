import { z } from 'zod';
import { ConfigurationError, InvalidInputError } from '../kernel/errors.ts';
import { chooser } from './choose.ts';
import { configShape, poolShape } from './config-shape.ts';
import { budgetShape, embeddingShape, modelShape } from './model-shape.ts';
import { checkUnique, labelOf, namesOf, parsed, type Report } from './mistakes.ts';
import type { Names, ResolvedApp, ResolvedPool, ResolvedSchedule, ResolvedTask } from './resolved.ts';
import { scheduleShape } from './schedule-shape.ts';
import { validate } from './schema.ts';
import { taskShape } from './task-shape.ts';

/** What `defineApp` returns, of this copy of the package or another. */
const appShape = z.object({
  tasks: z.array(z.unknown()),
  schedules: z.array(z.unknown()),
  config: z.looseObject({
    pools: z.unknown().optional(),
    budgets: z.unknown().optional(),
    models: z.unknown().optional(),
    embeddings: z.unknown().optional(),
  }),
});

/**
 * Checks and completes an app, once, at boot. Takes whatever an app module's default export is. Throws
 * ConfigurationError with every mistake there is.
 */
export const resolveApp = (app: unknown): ResolvedApp => {
  const { success, data: given } = appShape.safeParse(app);
  if (!success)
    throw new ConfigurationError(['this is no app: the module needs `export default defineApp({ tasks: [...] })`']);
  const mistakes: string[] = [];
  const report: Report = (mistake) => void mistakes.push(mistake);
  const names: Names = {
    pools: [...new Set(['default', ...Object.keys(Object(given.config.pools))])],
    tasks: namesOf(given.tasks),
    budgets: Object.keys(Object(given.config.budgets)),
  };

  const config = parsed(configShape(names), given.config, '', report);
  const tasks = resolveTasks(given.tasks, names, report);
  const pools = resolvePools(Object(given.config.pools), names, report);
  checkServes(tasks, pools, report);
  const budgets = shapedByName('budgets', given.config.budgets, budgetShape, report);
  checkStarts(tasks, budgets, report);
  const models = shapedByName('models', given.config.models, () => modelShape(names), report);
  const embeddings = shapedByName('embeddings', given.config.embeddings, () => embeddingShape(names), report);
  const schedules = resolveSchedules(given.schedules, { tasks, names }, report);
  if (mistakes.length > 0 || config === undefined) throw new ConfigurationError(mistakes);
  const { version, classify, deps } = config;
  const rules = Object.freeze(classify);
  return Object.freeze({
    version,
    tasks,
    pools,
    schedules,
    rules,
    budgets,
    models,
    embeddings,
    deps: async (signal: AbortSignal) => deps?.(signal),
  });
};

type Tasks = ReadonlyMap<string, ResolvedTask>;
type Pools = ReadonlyMap<string, ResolvedPool>;

const resolveTasks = (given: readonly unknown[], names: Names, report: Report): Tasks => {
  const shapes = { single: taskShape(names), batched: taskShape(names, true) };
  const tasks = new Map<string, ResolvedTask>();
  checkUnique('task', names.tasks, report);
  for (const [index, value] of given.entries()) {
    const task = parsed(
      isBatched(value) ? shapes.batched : shapes.single,
      value,
      labelOf('task', value, index),
      report,
    );
    if (task !== undefined) tasks.set(task.name, resolveTask(task));
  }
  return tasks;
};

const isBatched = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'batch' in value && value.batch !== undefined;

const resolveTask = ({ policy, ...task }: z.infer<ReturnType<typeof taskShape>>): ResolvedTask =>
  Object.freeze({
    ...task,
    output: task.output,
    progress: task.progress,
    pool: policy.pool,
    retry: policy.retry,
    timeoutMs: policy.timeout,
    deadlineMs: policy.deadline,
    budget: policy.budget,
    choose: chooser(task.name, policy),
  });

const resolvePools = (given: object, names: Names, report: Report): Pools => {
  const shape = poolShape(names);
  const pools = new Map<string, ResolvedPool>();
  for (const [name, value] of Object.entries({ default: {}, ...given })) {
    const pool = parsed(shape, value, `pools.${name.slice(0, 80)}`, report);
    if (pool !== undefined) pools.set(name, Object.freeze({ name, ...pool }));
  }
  return pools;
};

const shapedByName = <T>(
  what: 'budgets' | 'models' | 'embeddings',
  given: unknown,
  shapeOf: (name: string) => z.ZodType<T>,
  report: Report,
): ReadonlyMap<string, T> => {
  const shaped = new Map<string, T>();
  if (Array.isArray(given)) return shaped; // Told by the config's own shape.
  for (const [name, value] of Object.entries(Object(given))) {
    const one = parsed(shapeOf(name), value, `${what}.${name.slice(0, 80)}`, report);
    if (one !== undefined) shaped.set(name, one);
  }
  return shaped;
};

const checkServes = (tasks: Tasks, pools: Pools, report: Report): void => {
  for (const { name, pool } of tasks.values())
    if (pools.get(pool)?.serves?.has(name) === false)
      report(`task "${name}": its pool "${pool}" does not serve it; add it to \`pools.${pool}.serves\``);
};

const checkStarts = (tasks: Tasks, budgets: ResolvedApp['budgets'], report: Report): void => {
  for (const { name, budget: of = '' } of tasks.values()) {
    const budget = budgets.get(of);
    const requests = budget?.windows.filter(({ unit }) => unit === 'requests') ?? [];
    if (requests.some(({ limit }) => limit < 1))
      report(`task "${name}": its budget "${of}" never allows a whole request, so it would never start`);
    if (budget && budget.concurrent === undefined && requests.length === 0)
      report(
        `task "${name}": its budget "${of}" counts neither requests nor \`concurrent\`, so it would hold up no start; give \`budgets.${of}\` one of them, or leave the task's \`budget\` out`,
      );
  }
};

const resolveSchedules = (
  given: readonly unknown[],
  { tasks, names }: { readonly tasks: Tasks; readonly names: Names },
  report: Report,
): readonly ResolvedSchedule[] => {
  const shape = scheduleShape(names);
  checkUnique('schedule', namesOf(given), report);
  const schedules = given.flatMap((value, index) => {
    const where = labelOf('schedule', value, index);
    const schedule = parsed(shape, value, where, report);
    if (schedule === undefined) return [];
    checkInput(where, tasks.get(schedule.task), schedule.input, report);
    return schedule;
  });
  return Object.freeze(schedules);
};

/** A schema that must wait is asked when the schedule fires, as for every input. */
const checkInput = (where: string, task: ResolvedTask | undefined, input: unknown, report: Report): void => {
  if (task === undefined) return;
  try {
    const result = validate(task.input, input, 'input');
    if (result instanceof Promise) result.catch(() => {}); // Told at the firing, by a dead letter.
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    report(`${where}: ${error.message}`);
  }
};
