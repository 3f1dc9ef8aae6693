/**
 * Where a task is, and what it waits for: its record, else its pool's stream, else SCHED, else the history. Its pool and its
 * record once more before that: it may have fallen due, or ended, between the looks, and the history learns of it later.
 */
import type { ConsumerInfo, Stored } from '../bus/queue.ts';
import { consumers, type Lane, lanes, parseWork, splitTaskKey, streams, subjects } from '../bus/subjects.ts';
import { ifFound } from '../kernel/found.ts';
import { iso } from '../kernel/iso.ts';
import { valueOf } from './fit.ts';
import { inputHashOf, submittedAtOf } from './message.ts';
import type { TaskPorts } from './ports.ts';
import { type Failure, isTerminal, type Json, type TaskRecord, taskUsage, type Usage } from './record.ts';
import { readRecord } from './records.ts';

export interface WaitingFor {
  /** `lane`: others are before it; `no_worker`: nobody pulls from its pool; `due`: its time has not come; `retry`: its next attempt's has not; `budget`: there was no permit for its start. */
  readonly reason: 'lane' | 'no_worker' | 'due' | 'retry' | 'budget';
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
  readonly error?: Failure;
  readonly usage: Usage;
  readonly inputHash: string;
  /** Absent where an earlier version answers. */
  readonly submittedAt?: string;
}

const usageOf = (json: string | undefined): Usage => {
  const { data = noUsage } = taskUsage.safeParse(JSON.parse(json ?? 'null'));
  return data;
};

const noUsage: Usage = { inputTokens: 0, outputTokens: 0, usd: 0 };

/** `undefined` where nobody knows the task. Throws `UnavailableError` when only the history could know and cannot be asked. */
export const findTask = async (
  ports: Pick<TaskPorts, 'queue' | 'records' | 'blobs' | 'history' | 'region'>,
  recordKey: string,
): Promise<TaskStatus | undefined> =>
  (await inKv(ports, recordKey)) ??
  (await findQueued(ports, recordKey)) ??
  (await inKv(ports, recordKey)) ??
  (await inHistory(ports, recordKey));

/** A task that is stored to be run, and may have no record yet. It goes from SCHED to its pool, and is in both meanwhile. */
export const findQueued = async (
  ports: Pick<TaskPorts, 'queue' | 'region'>,
  recordKey: string,
): Promise<TaskStatus | undefined> =>
  (await inWork(ports, recordKey)) ?? (await inSched(ports, recordKey)) ?? (await inWork(ports, recordKey));

const inKv = async (
  { records, blobs }: Pick<TaskPorts, 'records' | 'blobs'>,
  recordKey: string,
): Promise<TaskStatus | undefined> => {
  const record = await readRecord({ records }, recordKey);
  return record && statusOf(blobs, record);
};

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
    ...(error === undefined ? {} : { error }),
    ...(waiting === undefined || isTerminal(record) ? {} : { waitingFor: waitingForOf(waiting, record) }),
  };
};

const waitingForOf = (waiting: NonNullable<TaskRecord['waiting']>, { attempt, error }: TaskRecord): WaitingFor => {
  const { for: why, until } = waiting;
  if (why === 'budget') return { reason: 'budget', detail: budgetDetail(waiting, attempt) };
  return {
    reason: 'retry',
    detail: error
      ? `the last attempt failed (${error.code}: ${error.message}); the next one starts at ${until}`
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

const inWork = async (
  { queue, region }: Pick<TaskPorts, 'queue' | 'region'>,
  recordKey: string,
): Promise<TaskStatus | undefined> => {
  const filter = subjects.workOfTask(region, recordKey);
  for (const stream of await queue.streamsTaking(filter)) {
    const stored = await queue.last(stream, filter);
    const parsed = stored && parseWork(stored.subject);
    if (!parsed) continue;
    const { pool, lane } = parsed.route;
    const info = await ifFound(queue.consumerInfo(stream, consumers.lane(pool, lane)));
    if (!info) return queued(stored, parsed.route, recordKey, goneReader(pool, lane));
    const held = handedOut(info, stored.seq) ? undefined : waitingInLane(info, pool, lane, stored.seq);
    return queued(stored, parsed.route, recordKey, held);
  }
  return undefined;
};

const goneReader = (pool: string, lane: Lane): WaitingFor => ({
  reason: 'no_worker',
  detail: `the consumer of pool "${pool}", lane ${lane} was deleted; any node of the pool makes it again within 30 s`,
});

/** Some node has it, and has recorded nothing yet. */
const handedOut = (info: ConsumerInfo, seq: number): boolean => seq <= info.handedOut;

const waitingInLane = (info: ConsumerInfo, pool: string, lane: Lane, seq: number): WaitingFor => {
  const { pending, ackPending, waiting, pausedUntil } = info;
  if (pausedUntil !== undefined)
    return {
      reason: 'lane',
      detail: `pool "${pool}", lane ${lane} is paused until ${pausedUntil}; ${pending} tasks wait`,
      until: pausedUntil,
    };
  if (waiting === 0 && ackPending === 0)
    return { reason: 'no_worker', detail: `no node pulls from pool "${pool}"; ${pending} tasks wait in lane ${lane}` };
  const before = Math.max(0, Math.min(seq - info.handedOut, pending) - 1);
  return {
    reason: 'lane',
    detail: `pool "${pool}", lane ${lane}: ${pending} tasks wait, at most ${before} of them before this one, ${ackPending} are in nodes' hands`,
  };
};

const queued = (
  stored: Stored,
  { pool, lane }: { readonly pool: string; readonly lane: Lane },
  recordKey: string,
  waitingFor: WaitingFor | undefined,
): TaskStatus => ({
  ...splitTaskKey(recordKey),
  status: waitingFor ? 'queued' : 'running',
  attempt: waitingFor ? 0 : 1,
  pool,
  lane,
  usage: noUsage,
  inputHash: inputHashOf(stored),
  submittedAt: iso(submittedAtOf(stored)),
  ...(waitingFor === undefined ? {} : { waitingFor }),
});

const inSched = async ({ queue }: Pick<TaskPorts, 'queue'>, recordKey: string): Promise<TaskStatus | undefined> => {
  const stored =
    (await queue.last(streams.sched, subjects.schedOfTask(recordKey))) ??
    (await queue.last(streams.sched, subjects.dueOfTask(recordKey)));
  if (!stored) return undefined;
  const target = stored.headers['Nats-Schedule-Target'] ?? stored.subject;
  const [, , , pool = 'default', lane] = target.split('.');
  const due = /@at (\S+)/.exec(stored.headers['Nats-Schedule'] ?? '')?.[1];
  const waitingFor: WaitingFor = {
    reason: 'due',
    detail: due ? `it is due at ${due}` : 'it is due, and ingress is about to move it to its pool',
    ...(due === undefined ? {} : { until: due }),
  };
  return queued(stored, { pool, lane: lanes.find((known) => known === lane) ?? 'normal' }, recordKey, waitingFor);
};

const inHistory = async (
  { history }: Pick<TaskPorts, 'history'>,
  recordKey: string,
): Promise<TaskStatus | undefined> => {
  const { type, id } = splitTaskKey(recordKey);
  const row = await history.task(type, id);
  if (!row) return undefined;
  const known = (['running', 'waiting', 'completed', 'failed', 'cancelled', 'dead'] as const).find(
    (status) => status === row.status,
  );
  return {
    id,
    type,
    status: known ?? 'running',
    attempt: row.attempt,
    pool: row.pool,
    lane: lanes.find((lane) => lane === row.lane) ?? 'normal',
    usage: usageOf(row.usage),
    inputHash: row.inputHash ?? '',
    submittedAt: row.createdAt,
    ...(row.result === undefined ? {} : { output: JSON.parse(row.result) }),
    ...(row.error === undefined ? {} : { error: JSON.parse(row.error) }),
  };
};
