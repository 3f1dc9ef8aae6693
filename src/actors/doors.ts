/** The doors themselves: what each question is answered with. */
import { taskKey } from '../bus/subjects.ts';
import { NotFoundError } from '../kernel/errors.ts';
import type { Store } from '../store/store.ts';
import type { Admission } from '../task/admission.ts';
import { cancelTask } from '../task/cancel.ts';
import { ends } from '../task/ends.ts';
import { gate } from '../task/gate.ts';
import type { TaskPorts } from '../task/ports.ts';
import { isTerminal } from '../task/record.ts';
import { redrive, type RedriveOptions } from '../task/redrive.ts';
import { findTask } from '../task/find.ts';
import { type Inbox, inbox } from '../task/inbox.ts';
import type { TaskStatus, WaitingFor } from '../task/status.ts';
import type { CancelAnswer, Doors, RetryAnswer, StatusAnswer, SubmitAnswer, WhyAnswer } from '../task/doors.ts';
import { awaiting } from './doors-await.ts';
import { countGroup } from './doors-counts.ts';
import { nextOf, nextOfSubmitted } from './doors-next.ts';
import { originOf } from './doors-origin.ts';
import { type Entered, submitDoor } from './doors-submit.ts';
import { unservedOf } from './doors-unserved.ts';
import { whyOf } from './doors-why.ts';
import { askWhereabouts } from './whereabouts.ts';

export interface DoorsOptions {
  readonly ports: TaskPorts;
  readonly admission: Admission;
  readonly store: Pick<Store, 'countByStatus' | 'endedBefore'>;
}

type Find = (recordKey: string) => Promise<TaskStatus | undefined>;

export const doors = ({ ports, admission, store }: DoorsOptions): Doors => {
  const entry = gate(ports);
  const enter = submitDoor({ ports, admission, entry });
  const looking = { ...ports, inbox: inbox(ports.queue) };
  const find: Find = (recordKey) => findTask(looking, recordKey);
  const known = async (type: string, id: string): Promise<TaskStatus> =>
    foundOr(await find(taskKey(type, id)), type, id);
  const waits = ends({ ports, find });
  const untilEnd = awaiting(ports, waits);

  return {
    submit: async (type, payload, headers) => submitted(type, await enter(type, payload, headers), find),
    get: async (type, id) => stated(await known(type, id)),
    await: async (type, id, options) => {
      const ended = await untilEnd(taskKey(type, id), options);
      return stated(ended.type === 'ended' ? foundOr(ended.status, type, id) : await known(type, id));
    },
    why: async (type, id) => explained(ports, await known(type, id)),
    cancel: async (type, id, reason) => cancelled(looking, await known(type, id), reason),
    retry: (type, id, options) => retried({ ports, admission, ...options }, type, id),
    counts: (group) => countGroup(ports, store, group),
    close: () => {
      entry.close();
      waits.close();
    },
  };
};

const keyOf = ({ type, id }: Pick<TaskStatus, 'type' | 'id'>): string => taskKey(type, id);

const foundOr = (status: TaskStatus | undefined, type: string, id: string): TaskStatus => {
  if (status) return status;
  throw new NotFoundError(
    `there is no ${type} "${id.slice(0, 80)}": nothing in its pools, its record, the inbox, or the history`,
  );
};

const submitted = async (type: string, { id, recordKey, duplicate }: Entered, find: Find): Promise<SubmitAnswer> => {
  if (!duplicate) return { type, id, status: 'queued', duplicate, next: nextOfSubmitted(recordKey) };
  const known = (await find(recordKey)) ?? { status: 'queued' as const };
  return { type, id, status: known.status, duplicate, next: nextOf(known, recordKey) };
};

/** Where an error was thrown is for those who read records. */
const stated = ({ error, outputRef, ...status }: TaskStatus): StatusAnswer => ({
  ...status,
  ...(error && { error: { code: error.code, message: error.message } }),
  next: nextOf({ ...status, outputRef }, keyOf(status)),
});

const explained = async (ports: TaskPorts, task: TaskStatus): Promise<WhyAnswer> => {
  const { type, id, status } = task;
  const [where, unserved] = await Promise.all([
    status === 'running' ? askWhereabouts(ports.bus, keyOf(task)) : undefined,
    unservedOf(ports, task),
  ]);
  const why = whyOf(task, where, unserved);
  const waitingFor = task.waitingFor && unserved !== undefined ? unservedWait(why) : task.waitingFor;
  return { type, id, status, why, ...(waitingFor && { waitingFor }), next: nextOf(task, keyOf(task)) };
};

const unservedWait = (detail: string): WaitingFor => ({ reason: 'no_worker', detail });

const cancelled = async (
  ports: TaskPorts & { readonly inbox: Inbox },
  task: TaskStatus,
  reason: string | undefined,
): Promise<CancelAnswer> => {
  const { type, id } = task;
  const recordKey = keyOf(task);
  if (isTerminal(task)) return { type, id, status: task.status, cancelled: false, next: nextOf(task, recordKey) };
  const { status } = await cancelTask(ports, recordKey, await originOf(ports, task, recordKey), reason);
  return { type, id, status, cancelled: status === 'cancelled', next: nextOf({ status }, recordKey) };
};

const retried = async (options: RedriveOptions, type: string, id: string): Promise<RetryAnswer> => {
  const { id: successor } = await redrive(options, taskKey(type, id));
  const next = nextOfSubmitted(taskKey(type, successor));
  return { type, id: successor, status: 'queued', redriveOf: id, next };
};
