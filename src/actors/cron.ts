/**
 * Schedules: the server fires them, this makes tasks of the firings. A firing's id is made from its place in SCHED, so
 * that a firing that is handed out twice is one task.
 */
import type { Delivery } from '../bus/queue.ts';
import { isToken, subjects, taskKey } from '../bus/subjects.ts';
import { InvalidInputError, UnknownTaskError } from '../kernel/errors.ts';
import type { Admission } from '../task/admission.ts';
import { decodeJson } from '../task/json.ts';
import { inputHash } from '../task/message.ts';
import type { TaskPorts } from '../task/ports.ts';
import { deployingMs } from '../task/unknown-task.ts';
import { settleStranger } from '../task/stranger.ts';
import { submitTask } from '../task/submit.ts';
import { lastFirings } from './last-firings.ts';
import { later, mayBeTakenLater } from './later.ts';
import { madeId } from '../task/made-id.ts';
import { cronHeader } from './schedules.ts';

const handBackMs = 5_000;

export interface CronOptions {
  readonly ports: TaskPorts;
  readonly admission: Admission;
}

const scheduleOf = ({ subject }: Delivery): string => subject.slice(subjects.dueCron('x').length - 1);
const noSchedule = { reason: 'invalid_name', message: 'no schedule of an app has fired it' } as const;

/** Settles one firing. */
export const fromCron = ({ ports, admission }: CronOptions) => {
  const last = lastFirings(ports);
  const laterMs = later(ports.clock);

  const fire = async (delivery: Delivery): Promise<void> => {
    const name = scheduleOf(delivery);
    const type = delivery.headers[cronHeader.task] ?? '';
    if (!isToken(name) || !isToken(type)) return settleStranger(ports, delivery, noSchedule);
    const id = `${name}-${madeId(delivery)}`;
    const recordKey = taskKey(type, id);
    const input = decodeJson(delivery.data);
    if (input.type === 'bad') throw new InvalidInputError(input.message);
    const { route, envelope } = await admission.admit(type, input.value, { headers: {} }, delivery.data.length);
    if (delivery.headers[cronHeader.overlap] === 'allow') await last.note(name, recordKey);
    else if (!(await last.claim(name, recordKey))) {
      ports.log.info({ schedule: name }, 'a firing is skipped: the last one still runs');
      return delivery.ack();
    }
    const task = {
      type,
      id,
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
