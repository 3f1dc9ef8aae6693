/**
 * Schedules: the server fires them, this makes tasks of the firings. A firing's id is made from its place in SCHED, so
 * that a firing that is handed out twice is one task.
 */
import type { Delivery } from '../bus/queue.ts';
import { buckets, isToken, splitTaskKey, subjects, taskKey } from '../bus/subjects.ts';
import { ConflictError, InvalidInputError, InvalidNameError, UnknownTaskError } from '../kernel/errors.ts';
import { bucket } from '../kv/bucket.ts';
import type { Entry } from '../kv/kv.ts';
import type { Admission } from '../task/admission.ts';
import { findQueued } from '../task/find.ts';
import { decodeJson } from '../task/json.ts';
import { inputHash } from '../task/message.ts';
import type { TaskPorts } from '../task/ports.ts';
import { isTerminal } from '../task/record.ts';
import { readRecord } from '../task/records.ts';
import { settleStranger } from '../task/stranger.ts';
import { deployingMs } from '../task/run.ts';
import { submitTask } from '../task/submit.ts';
import { later, mayBeTakenLater } from './later.ts';
import { madeId } from './made-id.ts';
import { cronHeader } from './schedules.ts';

/** Within this a firing's task is stored, or will be: longer than accepting one may take. */
const storingMs = 60_000;

const handBackMs = 5_000;

export interface CronOptions {
  readonly ports: TaskPorts;
  readonly admission: Admission;
}

const scheduleOf = ({ subject }: Delivery): string => subject.slice(subjects.dueCron('x').length - 1);
const noSchedule = { reason: 'invalid_name', message: 'no schedule of an app has fired it' } as const;

/** Settles one firing. */
export const fromCron = ({ ports, admission }: CronOptions) => {
  const lastFirings = bucket(ports.queue, buckets.crons);
  const laterMs = later(ports.clock);

  /** The history need not be asked: what has not ended is in KV, or on its way there. */
  const stillRuns = async ({ value, at }: Entry, own: string): Promise<boolean> => {
    const key = new TextDecoder().decode(value);
    if (key === own) return false; // This firing, handed out again.
    try {
      const record = await readRecord(ports, key);
      if (record) return !isTerminal(record);
      // Nothing of it: not stored yet, unless it has had the time to end and be forgotten.
      const onItsWay = ports.queue.now() - at < Math.min(storingMs, ports.recordLifeMs());
      return onItsWay || (await findQueued(ports, key)) !== undefined;
    } catch (error) {
      if (error instanceof InvalidNameError) return false; // Somebody else's writing.
      throw error;
    }
  };

  /**
   * Makes this firing the schedule's last one, before its task is stored: firings are handled side by side, here and on
   * other nodes, and of those that find nothing running only one writes over what it has read.
   */
  const claim = async (name: string, own: string): Promise<boolean> => {
    for (;;) {
      const last = await lastFirings.get(name);
      if (last && (await stillRuns(last, own))) return false;
      try {
        await lastFirings.update(name, new TextEncoder().encode(own), last?.revision ?? 0);
        return true;
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error; // Another was first, and may run now.
      }
    }
  };

  const fire = async (delivery: Delivery): Promise<void> => {
    const name = scheduleOf(delivery);
    const type = delivery.headers[cronHeader.task] ?? '';
    if (!isToken(name) || !isToken(type)) return settleStranger(ports, delivery, noSchedule);
    const id = `${name}-${madeId(delivery)}`;
    const recordKey = taskKey(type, id);
    const input = decodeJson(delivery.data);
    if (input.type === 'bad') throw new InvalidInputError(input.message);
    const { route, envelope } = await admission.admit(type, input.value, { headers: {} }, delivery.data.length);
    if (delivery.headers[cronHeader.overlap] === 'allow')
      await lastFirings.put(name, new TextEncoder().encode(recordKey));
    else if (!(await claim(name, recordKey))) {
      ports.log.info({ schedule: name }, 'a firing is skipped: the last one still runs');
      return delivery.ack();
    }
    const task = {
      ...splitTaskKey(recordKey),
      route,
      payload: delivery.data,
      envelope,
      hash: inputHash(input.value),
      nonce: ports.random.nonce(),
    };
    await submitTask(ports, { ...task, submittedAt: delivery.at }, true);
    delivery.ack();
  };

  return async (delivery: Delivery): Promise<void> => {
    try {
      await fire(delivery);
    } catch (error) {
      if (mayBeTakenLater(error)) return delivery.nak(laterMs());
      if (!(error instanceof InvalidInputError || error instanceof UnknownTaskError)) throw error;
      // It may be another version's, of which there are nodes too.
      if (error instanceof UnknownTaskError && ports.queue.now() - delivery.at < deployingMs)
        return delivery.nak(handBackMs);
      // The schedule itself is wrong: the next firing would be too, and boot has checked what it can.
      ports.metrics.badInput.labels(error.code).inc();
      const schedule = scheduleOf(delivery);
      ports.log.error({ schedule, code: error.code, reason: error.message.slice(0, 300) }, 'a firing was dropped');
      delivery.term(error.code);
    }
  };
};
