/** What both stores do with rows: pick the latest of each task, and turn what the database gives back into rows again. */
import type { InferSelectModel } from 'drizzle-orm';
import type { deadLetters, steps, tasks } from './schema.ts';
import type { DeadLetterRow, StepRow, TaskRow } from './store.ts';

type Revised = Pick<TaskRow, 'incarnation' | 'revision'>;

/** Incarnations as the database compares them: byte by byte. */
export const isLater = (one: Revised, other: Revised): boolean =>
  one.incarnation === other.incarnation
    ? one.revision > other.revision
    : Buffer.compare(Buffer.from(one.incarnation), Buffer.from(other.incarnation)) > 0;

/** One row a task, the latest, in the order in which every writer locks them: so that no two wait for each other. */
export const latest = (rows: readonly TaskRow[]): readonly TaskRow[] => {
  const byTask = new Map<string, TaskRow>();
  for (const row of rows) {
    const name = taskName(row);
    const other = byTask.get(name);
    if (!other || isLater(row, other)) byTask.set(name, row);
  }
  return [...byTask].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
};

/** No type holds a space, so no two tasks share a name. */
export const taskName = ({ type, id }: Pick<TaskRow, 'type' | 'id'>): string => `${type} ${id}`;

export const toTaskRow = (
  { deadline, createdAt, startedAt, finishedAt, ...row }: InferSelectModel<typeof tasks>,
  stepRows: readonly InferSelectModel<typeof steps>[],
): TaskRow => ({
  ...row,
  key: row.key ?? undefined,
  tenant: row.tenant ?? undefined,
  group: row.group ?? undefined,
  title: row.title ?? undefined,
  reason: row.reason ?? undefined,
  worker: row.worker ?? undefined,
  inputHash: row.inputHash ?? undefined,
  input: row.input ?? undefined,
  result: row.result ?? undefined,
  error: row.error ?? undefined,
  waiting: row.waiting ?? undefined,
  usage: row.usage ?? undefined,
  parent: row.parent ?? undefined,
  redriveOf: row.redriveOf ?? undefined,
  deadline: deadline?.toISOString(),
  createdAt: createdAt.toISOString(),
  startedAt: startedAt?.toISOString(),
  finishedAt: finishedAt?.toISOString(),
  steps: stepRows.map(toStepRow),
});

const toStepRow = ({ name, key, position, result, at, ms }: InferSelectModel<typeof steps>): StepRow => ({
  name,
  key,
  position,
  result: result ?? undefined,
  at: at.toISOString(),
  ms,
});

export const toDeadLetterRow = (row: InferSelectModel<typeof deadLetters>): DeadLetterRow => ({
  ...row,
  error: row.error ?? undefined,
  at: row.at.toISOString(),
});
