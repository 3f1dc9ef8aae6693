/** What is said of a task to whoever asks: by its record, or by the history. */
import { type Lane, lanes } from '../bus/subjects.ts';
import type { TaskRow } from '../store/store.ts';
import { valueOf } from './fit.ts';
import type { TaskPorts } from './ports.ts';
import { type Failure, type Json, statuses, type TaskRecord, taskUsage, type Usage } from './record.ts';

export interface WaitingFor {
  /** `lane`: others are before it; `no_worker`: nobody pulls from its pool; `due`: its time has not come; `retry`: its next attempt's has not; `budget`: there was no permit for its start; `inbox`: no pool has it yet. */
  readonly reason: 'lane' | 'no_worker' | 'due' | 'retry' | 'budget' | 'inbox';
  readonly detail: string;
  readonly until?: string;
}

export interface TaskStatus {
  readonly id: string;
  readonly type: string;
  readonly status: 'queued' | TaskRecord['status'];
  readonly attempt: number;
  readonly pool: string;
  readonly lane: Lane;
  readonly waitingFor?: WaitingFor;
  readonly output?: Json;
  /** The blob that is the output, where that is too large for the record. */
  readonly outputRef?: string;
  readonly error?: Failure;
  readonly usage: Usage;
  readonly inputHash: string;
  /** Absent where an earlier version answers. */
  readonly submittedAt?: string;
}

export const noUsage: Usage = { inputTokens: 0, outputTokens: 0, usd: 0 };

/** What a record says of its task, with its output. */
export const statusOf = async (blobs: TaskPorts['blobs'], record: TaskRecord): Promise<TaskStatus> => {
  const { id, type, status, attempt, pool, lane, error, usage = noUsage, inputHash, waiting, createdAt } = record;
  const output = await valueOf({ blobs }, record.result, record.resultRef);
  return {
    id,
    type,
    status,
    attempt,
    pool,
    lane,
    usage,
    inputHash,
    submittedAt: createdAt,
    ...(output === undefined ? {} : { output }),
    ...(record.resultRef === undefined ? {} : { outputRef: record.resultRef }),
    ...(error === undefined ? {} : { error }),
    ...(waiting === undefined ? {} : { waitingFor: waitingForOf(waiting, record) }),
  };
};

const waitingForOf = (waiting: NonNullable<TaskRecord['waiting']>, { attempt, error }: TaskRecord): WaitingFor => {
  const { for: why, until } = waiting;
  if (why === 'budget') return { reason: 'budget', detail: budgetDetail(waiting, attempt) };
  return {
    reason: 'retry',
    detail: error
      ? `the last attempt failed (${error.code}: ${error.message}); the next one is due at ${until}`
      : 'a worker gave it back',
    until,
  };
};

/** It was written once: by now there may be a permit and no worker, or the node may be gone and another hold the task. */
const budgetDetail = ({ budget = '', node, until }: NonNullable<TaskRecord['waiting']>, attempt: number): string => {
  const which = attempt === 0 ? 'first' : 'next';
  const held = node === undefined ? '' : `; node ${node} held it for that at ${until}`;
  return `its ${which} attempt starts when budget "${budget}" has room for it and a worker is free${held}`;
};

/** What the history says of a task that KV has forgotten. */
export const statusOfRow = (row: TaskRow): TaskStatus => ({
  id: row.id,
  type: row.type,
  status: statuses.find((status) => status === row.status) ?? 'running',
  attempt: row.attempt,
  pool: row.pool,
  lane: lanes.find((lane) => lane === row.lane) ?? 'normal',
  usage: usageOf(row.usage),
  inputHash: row.inputHash ?? '',
  submittedAt: row.createdAt,
  ...(row.result === undefined ? {} : { output: JSON.parse(row.result) }),
  ...(row.error === undefined ? {} : { error: JSON.parse(row.error) }),
});

const usageOf = (json: string | undefined): Usage => taskUsage.safeParse(JSON.parse(json ?? 'null')).data ?? noUsage;
