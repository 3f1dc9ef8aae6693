/** What `project` sends. */
import { inserter, type Statement } from './upsert.ts';
import { deadLetters, marks, steps, tasks } from './schema.ts';
import type { AskedTask, DeadLetterRow, Mark, TaskName, TaskRow } from './store.ts';

const later = (table: string) => (sets: string) =>
  `update set ${sets} where (excluded.incarnation, excluded.revision) > (${table}.incarnation, ${table}.revision)`;

/** Answers the tasks that it wrote. A `fresh` one was not there before, so that it has no steps to be replaced. */
const upsertTasks = inserter(tasks, later('tasks'), 'returning type, id, xmax = 0 as fresh');

/** A journal grows: most of what it holds is there already, and is not written again. */
const upsertSteps = inserter(
  steps,
  (sets) => `update set ${sets} where (steps.position, steps.at, steps.ms, steps.result::text)
    is distinct from (excluded.position, excluded.at, excluded.ms, excluded.result::text)`,
);

const insertDeadLetters = inserter(deadLetters, () => 'nothing');
const upsertMark = inserter(marks, later('projection_marks'));

export const tasksStatement = (rows: readonly TaskRow[]): Statement => upsertTasks(rows);
export const deadLettersStatement = (rows: readonly DeadLetterRow[]): Statement => insertDeadLetters(rows);
export const markStatement = (mark: Mark): Statement => upsertMark([mark]);

/** Arrays, as a statement takes no more than 65,535 parameters, and a group may be larger. */
export const countStatement = (asked: readonly AskedTask[]): Statement => ({
  text: `select status, count(*)::int as tasks
    from unnest($1::text[], $2::text[], $3::timestamptz[]) as asked (type, id, since) join tasks using (type, id)
    where since is null or finished_at is null or finished_at >= since group by status`,
  values: [asked.map(({ type }) => type), asked.map(({ id }) => id), asked.map(({ since }) => since ?? null)],
});

export const endedStatement = (asked: readonly TaskName[], time: string): Statement => ({
  text: `select type, id from unnest($1::text[], $2::text[]) as asked (type, id) join tasks using (type, id)
    where finished_at < $3`,
  values: [asked.map(({ type }) => type), asked.map(({ id }) => id), time],
});

const flat = (rows: readonly TaskRow[]) =>
  rows.flatMap(({ type, id, incarnation, revision, steps: journal }) =>
    journal.map((step) => ({ type, id, incarnation, revision, ...step })),
  );

/** `undefined` where no row has steps. */
export const stepsStatement = (rows: readonly TaskRow[]): Statement | undefined => {
  const journals = flat(rows);
  return journals.length === 0 ? undefined : upsertSteps(journals);
};

/** Removes steps that were forgotten: those that the rows no longer have. */
export const forgottenStatement = (rows: readonly TaskRow[]): Statement => {
  const kept = flat(rows);
  return {
    text: `delete from steps using unnest($1::text[], $2::text[]) as task (type, id)
      where steps.type = task.type and steps.id = task.id
      and (steps.type, steps.id, steps.name, steps.key) not in (select * from unnest($3::text[], $4::text[], $5::text[], $6::text[]))`,
    values: [
      rows.map(({ type }) => type),
      rows.map(({ id }) => id),
      ...(['type', 'id', 'name', 'key'] as const).map((field) => kept.map((step) => step[field])),
    ],
  };
};
