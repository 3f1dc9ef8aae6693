/** What a running task shows while it runs: kept for minutes, so that a reader can come back for it. */
import { subjects } from '../bus/subjects.ts';
import { encodeJson } from './json.ts';
import { header, type Task } from './message.ts';
import type { TaskPorts } from './ports.ts';

/** The stream keeps it; nobody waits for its word: an event that is lost is not worth a task's time. */
export const emitter = ({ bus, queue }: TaskPorts, task: Task, attempt: number) => {
  const subject = subjects.tokens(task.recordKey);
  const options = task.tenant === undefined ? undefined : { headers: { [header.tenant]: task.tenant } };
  return (event: { readonly type: string }): void =>
    bus.publish(subject, encodeJson({ ...event, attempt, at: new Date(queue.now()).toISOString() }), options);
};
