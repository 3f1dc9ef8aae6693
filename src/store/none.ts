/** For a node that has no database of its own: others project, and answer what it asks of the history. */
import { UnavailableError } from '../kernel/errors.ts';
import type { Store } from './store.ts';

const unavailable = (): Promise<never> =>
  Promise.reject(new UnavailableError('this node runs without a database (DATABASE_URL=none)'));

export const noStore: Omit<Store, 'task' | 'countByStatus' | 'endedBefore'> = {
  project: unavailable,
  projectDeadLetters: unavailable,
  mark: unavailable,
  deadLetters: unavailable,
  migrate: unavailable,
  ready: () => Promise.resolve(true),
  close: () => Promise.resolve(),
};
