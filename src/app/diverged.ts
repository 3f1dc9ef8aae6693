import type { Attempt } from '../task/executor.ts';
import type { TaskPorts } from '../task/ports.ts';

/** A later attempt that does other things than the one before leaves unused what was paid for. */
export const tellDiverged = ({ log }: Pick<TaskPorts, 'log'>, { task, number, journal }: Attempt): void => {
  const unused = number > 1 ? (journal.unused?.() ?? []) : [];
  if (unused.length === 0) return;
  log.warn(
    { task: task.type, id: task.id, attempt: number, unused: unused.length, first: unused[0] },
    'replay_diverged: recorded steps were not asked for again; let a handler depend on nothing but its input and its steps',
  );
};
