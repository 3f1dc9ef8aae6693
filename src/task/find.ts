/**
 * Where a task is, and what it waits for: its record, else its pool's stream, else SCHED, else the inbox, else the history.
 * Each that is before the history once more before that: the task may have gone on, or ended, between the looks, and the
 * history learns of it later.
 */
import type { ConsumerInfo, Stored } from '../bus/queue.ts';
import { consumers, type Lane, lanes, parseWork, splitTaskKey, streams, subjects } from '../bus/subjects.ts';
import { ifFound } from '../kernel/found.ts';
import { iso } from '../kernel/iso.ts';
import { type Inbox, statusInInbox } from './inbox.ts';
import { inputHashOf, submittedAtOf } from './message.ts';
import type { TaskPorts } from './ports.ts';
import { readRecord } from './records.ts';
import { noUsage, statusOf, statusOfRow, type TaskStatus, type WaitingFor } from './status.ts';

/** `undefined` where nobody knows the task. Throws `UnavailableError` when only the history could know and cannot be asked. */
export const findTask = async (
  ports: Pick<TaskPorts, 'queue' | 'records' | 'blobs' | 'history' | 'region'> & { readonly inbox: Inbox },
  recordKey: string,
): Promise<TaskStatus | undefined> =>
  (await inKv(ports, recordKey)) ??
  (await findQueued(ports, recordKey)) ??
  (await inInbox(ports, recordKey)) ??
  (await findQueued(ports, recordKey)) ??
  (await inKv(ports, recordKey)) ??
  (await inHistory(ports, recordKey));

/** A task that is stored to be run, and may have no record yet. */
export const findQueued = async (
  ports: Pick<TaskPorts, 'queue' | 'region'>,
  recordKey: string,
): Promise<TaskStatus | undefined> => {
  const pools = await ports.queue.streamsTaking(subjects.workOfRegion(ports.region));
  const stored = await findStored(ports, recordKey, pools);
  return stored && (stored.stream === streams.sched ? delayed(stored, recordKey) : inLane(ports, stored, recordKey));
};

/** The message of such a task, in one of these pools' streams or in SCHED. It goes from there to its pool, and is in both meanwhile. */
export const findStored = async (
  { queue, region }: Pick<TaskPorts, 'queue' | 'region'>,
  recordKey: string,
  pools: readonly string[],
): Promise<Stored | undefined> => {
  const inPools = async (): Promise<Stored | undefined> => {
    for (const stream of pools) {
      const stored = await queue.last(stream, subjects.workOfTask(region, recordKey));
      if (stored && parseWork(stored.subject)) return stored;
    }
    return undefined;
  };
  return (
    (await inPools()) ??
    (await queue.last(streams.sched, subjects.schedOfTask(recordKey))) ??
    (await queue.last(streams.sched, subjects.dueOfTask(recordKey))) ??
    (await inPools())
  );
};

const inInbox = async ({ inbox }: { readonly inbox: Inbox }, recordKey: string): Promise<TaskStatus | undefined> => {
  const message = await inbox.find(recordKey);
  return message && statusInInbox(message, recordKey);
};

const inKv = async (
  { records, blobs }: Pick<TaskPorts, 'records' | 'blobs'>,
  recordKey: string,
): Promise<TaskStatus | undefined> => {
  const record = await readRecord({ records }, recordKey);
  return record && statusOf(blobs, record);
};

const inLane = async ({ queue }: Pick<TaskPorts, 'queue'>, stored: Stored, recordKey: string): Promise<TaskStatus> => {
  const { pool, lane } = placeIn(stored.subject, 'work.<region>');
  const info = await ifFound(queue.consumerInfo(stored.stream, consumers.lane(pool, lane)));
  if (!info) return queued(stored, { pool, lane }, recordKey, goneReader(pool, lane));
  const held = handedOut(info, stored.seq) ? undefined : waitingInLane(info, pool, lane, stored.seq);
  return queued(stored, { pool, lane }, recordKey, held);
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

/** Pool and lane, which follow so many tokens as `before` has. */
const placeIn = (subject: string, before: string): { readonly pool: string; readonly lane: Lane } => {
  const [pool = 'default', lane] = subject.split('.').slice(before.split('.').length);
  return { pool, lane: lanes.find((known) => known === lane) ?? 'normal' };
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

const delayed = (stored: Stored, recordKey: string): TaskStatus => {
  const due = /@at (\S+)/.exec(stored.headers['Nats-Schedule'] ?? '')?.[1];
  const waitingFor: WaitingFor = {
    reason: 'due',
    detail: due ? `it is due at ${due}` : 'it is due, and ingress is about to move it to its pool',
    ...(due === undefined ? {} : { until: due }),
  };
  const target = stored.headers['Nats-Schedule-Target'] ?? stored.subject;
  return queued(stored, placeIn(target, 'due.task.<region>'), recordKey, waitingFor);
};

const inHistory = async (
  { history }: Pick<TaskPorts, 'history'>,
  recordKey: string,
): Promise<TaskStatus | undefined> => {
  const { type, id } = splitTaskKey(recordKey);
  const row = await history.task(type, id);
  return row && statusOfRow(row);
};
