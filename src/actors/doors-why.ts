/** What holds a task, or has become of it, in plain words. */
import type { TaskStatus, WaitingFor } from '../task/status.ts';
import type { Whereabouts } from './whereabouts.ts';

/**
 * `where`: what the node says that runs it; undefined where none does. `unserved`: that no node serves its pool; undefined
 * where one does.
 */
export const whyOf = (task: TaskStatus, where?: Whereabouts, unserved?: string): string => {
  const { status, attempt, waitingFor, error } = task;
  const cause = error ? `${error.code}: ${error.message}` : 'no error was recorded';
  switch (status) {
    case 'queued':
    case 'waiting':
      return whyWaiting(waitingFor, unserved);
    case 'running':
      return where ? whyRunning(where, attempt) : [whyNowhere(attempt), unserved ?? []].flat().join('; ');
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

/** What there is to know of its lane `unserved` tells as well. */
const whyWaiting = (waitingFor: WaitingFor | undefined, unserved: string | undefined): string => {
  const { reason, detail } = waitingFor ?? { reason: 'lane', detail: 'it waits for a worker' };
  if (unserved === undefined) return detail;
  return reason === 'lane' || reason === 'no_worker' ? unserved : `${detail}; ${unserved}`;
};

const whyRunning = ({ node, waits }: Whereabouts, attempt: number): string =>
  [`node "${node}" runs it, attempt ${attempt}`, ...waits.map(waitOf)].join('; ');

const waitOf = ({ budget, waitedMs, why }: Whereabouts['waits'][number]): string =>
  `it has waited ${(waitedMs / 1_000).toFixed(1)} s for a permit of budget "${budget}": ${why}`;

const whyNowhere = (attempt: number): string =>
  `no node says that it runs attempt ${attempt}: a worker is about to be given it, or was lost with it, and then it starts again after the ack wait; or it has waited so long that the history is asked first whether it has ended, and does not answer`;
