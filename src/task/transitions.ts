/** What becomes of a record: each way from one revision to the next. No terminal record has one. */
import type { Route } from '../bus/subjects.ts';
import { iso } from '../kernel/iso.ts';
import type { DeadReason, Failure, HandOut, Json, OpenCall, RecordStatus, Step, TaskRecord, Usage } from './record.ts';

/** What a task is before anything has become of it. */
export interface Origin {
  readonly id: string;
  readonly type: string;
  readonly route: Route;
  readonly inputHash: string;
  /** Its submitter's, for what goes together. Not that of its record, which is its `recordKey`. */
  readonly key?: string | undefined;
  readonly tenant?: string | undefined;
  readonly group?: string | undefined;
  readonly title?: string | undefined;
  readonly parent?: string | undefined;
  readonly redriveOf?: string | undefined;
  /** Epoch ms. */
  readonly deadlineAt?: number | undefined;
  readonly submittedAt: number;
}

/** What is absent is there as undefined, here and below, which JSON leaves out: records of one shape are copied fast. */
export const firstRecord = (origin: Origin): TaskRecord => ({
  v: 1,
  w: '',
  id: origin.id,
  type: origin.type,
  pool: origin.route.pool,
  lane: origin.route.lane,
  key: origin.key,
  tenant: origin.tenant,
  group: origin.group,
  title: origin.title,
  parent: origin.parent,
  redriveOf: origin.redriveOf,
  deadline: origin.deadlineAt === undefined ? undefined : iso(origin.deadlineAt),
  status: 'running',
  attempt: 0,
  failures: 0,
  inputHash: origin.inputHash,
  steps: [],
  createdAt: iso(origin.submittedAt),
});

/** An attempt begins. `delivery` holds the task from now on. */
export const begun = (
  record: TaskRecord,
  { stream, seq, deliveries }: HandOut,
  worker: string,
  now: number,
): TaskRecord => ({
  ...record,
  status: 'running',
  attempt: record.attempt + 1,
  worker,
  held: { stream, seq, deliveries: deliveries > 1 ? deliveries : undefined },
  error: undefined,
  waiting: undefined,
  startedAt: record.startedAt ?? iso(now),
});

/** An attempt begins after one that left no outcome. */
export const begunAfterLoss = (record: TaskRecord, delivery: HandOut, worker: string, now: number): TaskRecord => ({
  ...begun(record, delivery, worker, now),
  lost: (record.lost ?? 0) + 1,
});

const ended = (record: TaskRecord, status: RecordStatus, now: number): TaskRecord => ({
  ...record,
  status,
  lost: undefined,
  waiting: undefined,
  calls: undefined,
  finishedAt: iso(now),
});

export const completed = (record: TaskRecord, result: Json | undefined, now: number): TaskRecord => ({
  ...ended(record, 'completed', now),
  result,
});

/** Its own handler said that it can never succeed. */
export const rejected = (record: TaskRecord, error: Failure, now: number): TaskRecord => ({
  ...ended(record, 'failed', now),
  failures: record.failures + 1,
  error,
});

/** Given up by Troupe: a dead letter follows. */
export const dead = (record: TaskRecord, reason: DeadReason, error: Failure, now: number): TaskRecord => ({
  ...ended(record, 'dead', now),
  reason,
  error,
});

export const cancelled = (record: TaskRecord, why: string | undefined, now: number): TaskRecord => ({
  ...ended(record, 'cancelled', now),
  error: { code: 'task_cancelled', message: why ?? 'cancelled' },
});

/** A failure that is worth another attempt at `until`. */
export const failed = (record: TaskRecord, error: Failure, until: number, scheduled: boolean): TaskRecord => {
  const n = (record.waits ?? 0) + 1;
  return {
    ...record,
    status: 'waiting',
    failures: record.failures + 1,
    lost: undefined,
    calls: undefined,
    error,
    waits: n,
    waiting: { for: 'retry', n, until: iso(until), scheduled },
  };
};

/** Given back unfinished by a worker that stops: counts as nothing. */
export const handedBack = (record: TaskRecord, now: number): TaskRecord => {
  const n = (record.waits ?? 0) + 1;
  return {
    ...record,
    status: 'waiting',
    attempt: Math.max(record.attempt - 1, 0),
    calls: undefined,
    waits: n,
    waiting: { for: 'handback', n, until: iso(now), scheduled: false },
  };
};

/** What a start waits for, and where. */
export interface BudgetWait {
  readonly budget: string;
  /** The node that holds the task until there is a permit. */
  readonly node: string;
}

/** Its next attempt, which would have begun as `claimed`, waits for a permit: nothing has begun, and nothing counts. */
export const waitingForBudget = (
  before: TaskRecord,
  claimed: TaskRecord,
  { budget, node }: BudgetWait,
  now: number,
): TaskRecord => {
  const n = (before.waits ?? 0) + 1;
  return {
    ...handedBack(claimed, now),
    worker: before.worker,
    error: before.error,
    startedAt: before.startedAt,
    waiting: { for: 'budget', budget, node, n, until: iso(now), scheduled: false },
  };
};

/** `used`: what the step paid for. */
export const stepped = (record: TaskRecord, step: Step, used?: Usage): TaskRecord => {
  const { steps, calls } = record;
  return {
    ...(used ? charged(record, used) : record),
    steps: [...steps, step],
    ...(calls && { calls: calls.filter(({ name, key }) => name !== step.name || key !== step.key) }),
  };
};

export const charged = (record: TaskRecord, used: Usage): TaskRecord => ({
  ...record,
  usage: record.usage ? total(record.usage, used) : used,
});

export const total = (a: Usage, b: Usage): Usage => ({
  inputTokens: a.inputTokens + b.inputTokens,
  outputTokens: a.outputTokens + b.outputTokens,
  usd: a.usd + b.usd,
});

/** A step's answer has begun. */
export const called = (record: TaskRecord, call: OpenCall): TaskRecord => ({
  ...record,
  calls: [...(record.calls ?? []), call],
});
