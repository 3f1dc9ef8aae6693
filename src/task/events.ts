/** What a running task shows while it runs: kept for minutes, so that a reader can come back for it. */
import { encodeJson } from '../bus/json.ts';
import { subjects } from '../bus/subjects.ts';
import { header } from './headers.ts';
import type { Task } from './message.ts';
import type { TaskPorts } from './ports.ts';

/** The stream keeps it; nobody waits for its word: an event that is lost is not worth a task's time. */
export const emitter =
  ({ bus, queue }: TaskPorts, { recordKey, tenant }: Task, attempt: number) =>
  (event: { readonly type: string }): void => {
    const options = tenant === undefined ? undefined : { headers: { [header.tenant]: tenant } };
    const at = new Date(queue.now()).toISOString();
    bus.publish(subjects.tokens(recordKey), encodeJson({ ...event, attempt, at }), options);
  };
