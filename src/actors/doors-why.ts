/** What holds a task, or has become of it, in plain words. */
import type { TaskStatus } from '../task/status.ts';

export const whyOf = ({ status, attempt, waitingFor, error }: TaskStatus): string => {
  const cause = error ? `${error.code}: ${error.message}` : 'no error was recorded';
  switch (status) {
    case 'queued':
    case 'waiting':
      return waitingFor?.detail ?? 'it waits for a worker';
    case 'running':
      return attempt > 1
        ? `a worker has it; this is attempt ${attempt}`
        : 'a worker has it, or is the next to be given it; this is attempt 1';
    case 'completed':
      return `it has completed, in attempt ${attempt}`;
    case 'failed':
      return `its own handler says that it can never succeed: ${cause}`;
    case 'dead':
      return `it was given up in attempt ${attempt} (${cause}); its dead letter has all there is to know`;
    case 'cancelled':
      return `it was cancelled (${error?.message ?? 'nobody said why'})`;
  }
};
