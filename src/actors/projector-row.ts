/** A task's record as the row that history keeps. */
import type { Blobs } from '../bus/blobs.ts';
import { taskKey } from '../bus/subjects.ts';
import type { StepRow, TaskRow } from '../store/store.ts';
import { decodeRecord, type Step, type TaskRecord } from '../task/record.ts';

export type Decoded =
  | { readonly type: 'record'; readonly record: TaskRecord }
  | { readonly type: 'garbage'; readonly why: string };

/** What stands under `key`: anybody may have written there. */
export const decodeEntry = (key: string, data: Uint8Array): Decoded => {
  const record = decodeRecord(data);
  if (!record) return { type: 'garbage', why: 'no task record' };
  const own = keyOf(record);
  if (own === undefined) return { type: 'garbage', why: 'the record of a task that cannot be named' };
  return own === key
    ? { type: 'record', record }
    : { type: 'garbage', why: `the record of "${own}" under another key` };
};

const keyOf = ({ type, id }: TaskRecord): string | undefined => {
  try {
    return taskKey(type, id);
  } catch {
    return undefined; // Its type or its id is no name.
  }
};

export interface Values {
  readonly blobs: Pick<Blobs, 'get'>;
  /** Told of a value that is gone: its row is written without it. */
  readonly gone: (blob: string) => void;
}

/** Throws what `blobs.get` throws. */
export const taskRow = async (
  values: Values,
  record: TaskRecord,
  { incarnation, revision }: Pick<TaskRow, 'incarnation' | 'revision'>,
): Promise<TaskRow> => ({
  type: record.type,
  id: record.id,
  incarnation,
  revision,
  pool: record.pool,
  lane: record.lane,
  key: record.key,
  tenant: record.tenant,
  group: record.group,
  title: record.title,
  status: record.status,
  reason: record.reason,
  attempt: record.attempt,
  failures: record.failures,
  worker: record.worker,
  inputHash: record.inputHash,
  input: await valueText(values, record.input, record.inputRef),
  result: await valueText(values, record.result, record.resultRef),
  error: jsonText(record.error),
  waiting: jsonText(record.waiting),
  usage: jsonText(record.usage),
  parent: record.parent,
  redriveOf: record.redriveOf,
  deadline: record.deadline,
  createdAt: record.createdAt,
  startedAt: record.startedAt,
  finishedAt: record.finishedAt,
  steps: await Promise.all(record.steps.map((step, position) => stepRow(values, step, position))),
});

const stepRow = async (values: Values, step: Step, position: number): Promise<StepRow> => ({
  name: step.name,
  key: step.key ?? '',
  position,
  result: await valueText(values, step.result, step.ref),
  at: step.at,
  ms: step.ms,
});

const jsonText = (value: unknown): string | undefined => (value === undefined ? undefined : JSON.stringify(value));

const decoder = new TextDecoder();

const valueText = async (
  { blobs, gone }: Values,
  inline: unknown,
  ref: string | undefined,
): Promise<string | undefined> => {
  if (ref === undefined) return jsonText(inline);
  const bytes = await blobs.get(ref);
  if (bytes) return decoder.decode(bytes);
  gone(ref);
  return undefined;
};

/** About how much of a statement the row is. */
export const rowSize = ({ input, result, error, steps }: TaskRow): number =>
  (input?.length ?? 0) +
  (result?.length ?? 0) +
  (error?.length ?? 0) +
  steps.reduce((size, step) => size + (step.result?.length ?? 0), 0);
