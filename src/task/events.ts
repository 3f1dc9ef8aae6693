/** What a running task shows while it runs: kept for minutes, so that a reader can come back for it. */
import { encodeJson } from '../bus/json.ts';
import { subjects } from '../bus/subjects.ts';
import { isTroupeError } from '../kernel/error.ts';
import { header } from './headers.ts';
import type { Task } from './message.ts';
import type { TaskPorts } from './ports.ts';

/**
 * The stream keeps it; nobody waits for its word: an event that is lost is not worth a task's time, and one that no message
 * takes is not worth its attempt.
 */
export const emitter =
  ({ bus, queue, log }: Pick<TaskPorts, 'bus' | 'queue' | 'log'>, { recordKey, tenant }: Task, attempt: number) =>
  (event: { readonly type: string }): boolean => {
    const options = tenant === undefined ? undefined : { headers: { [header.tenant]: tenant } };
    const at = new Date(queue.now()).toISOString();
    const data = encodeJson({ ...event, attempt, at });
    try {
      bus.publish(subjects.tokens(recordKey), data, options);
      return true;
    } catch (error) {
      if (!isTroupeError(error, 'payload_too_large')) throw error;
      const { type } = event;
      log.warn(
        { task: recordKey, event: type, bytes: data.length, bytesMax: bus.maxPayload },
        `a ${type} event is more than one message takes and is left out: show less at once`,
      );
      return false;
    }
  };
