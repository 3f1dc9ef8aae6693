/** What Postgres gives back, as rows again: null is undefined, and times are ISO 8601. */
import type { InferSelectModel } from 'drizzle-orm';
import type { deadLetters, steps, tasks } from './schema.ts';
import type { DeadLetterRow, StepRow, TaskRow } from './store.ts';

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
