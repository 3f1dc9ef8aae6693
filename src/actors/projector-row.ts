/** A task's record as the row that history keeps. */
import { taskKey } from '../bus/subjects.ts';
import type { StepRow, TaskRow } from '../store/store.ts';
import { decodeRecord, type Step, type TaskRecord } from '../task/record.ts';
import type { Texts } from './projector-values.ts';

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
  readonly text: Texts;
  /** Told of a value that is gone or damaged: its row is written without it. */
  readonly gone: (blob: string) => void;
}

/** Throws what `text` throws. */
export const taskRow = async (values: Values, record: TaskRecord, at: Place): Promise<TaskRow> => {
  const refs = [record.inputRef, record.resultRef, ...record.steps.map(({ ref }) => ref)].filter(
    (ref) => ref !== undefined,
  );
  const texts = refs.length === 0 ? inlineOnly : await textsOf(values, refs);
  return rowOf(record, at, (inline, ref) => (ref === undefined ? jsonText(inline) : texts.get(ref)));
};

type Place = Pick<TaskRow, 'incarnation' | 'revision'>;
type TextOf = (inline: unknown, ref: string | undefined) => string | undefined;

const inlineOnly: ReadonlyMap<string, string> = new Map();

const rowOf = (record: TaskRecord, { incarnation, revision }: Place, textOf: TextOf): TaskRow => ({
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
  input: textOf(record.input, record.inputRef),
  result: textOf(record.result, record.resultRef),
  error: jsonText(record.error),
  waiting: jsonText(record.waiting),
  usage: jsonText(record.usage),
  parent: record.parent,
  redriveOf: record.redriveOf,
  deadline: record.deadline,
  createdAt: record.createdAt,
  startedAt: record.startedAt,
  finishedAt: record.finishedAt,
  steps: record.steps.map((step, position) => stepRow(step, position, textOf)),
});

const stepRow = (step: Step, position: number, textOf: TextOf): StepRow => ({
  name: step.name,
  key: step.key ?? '',
  position,
  result: textOf(step.result, step.ref),
  at: step.at,
  ms: step.ms,
});

const jsonText = (value: unknown): string | undefined => (value === undefined ? undefined : JSON.stringify(value));

/** The texts of those that are there. */
const textsOf = async ({ text, gone }: Values, refs: readonly string[]): Promise<ReadonlyMap<string, string>> => {
  const texts = new Map<string, string>();
  const read = async (ref: string): Promise<void> => {
    const found = await text(ref);
    if (found === undefined) gone(ref);
    else texts.set(ref, found);
  };
  await Promise.all(refs.map(read));
  return texts;
};

/** About how much of a statement the row is. */
export const rowSize = ({ input, result, error, steps }: TaskRow): number =>
  (input?.length ?? 0) +
  (result?.length ?? 0) +
  (error?.length ?? 0) +
  steps.reduce((size, step) => size + (step.result?.length ?? 0), 0);
