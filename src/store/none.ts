/** For a node that has no database of its own: others project, and what KV has forgotten is not known here. */
import { UnavailableError } from '../kernel/errors.ts';
import type { Store } from './store.ts';

const unavailable = (): Promise<never> =>
  Promise.reject(new UnavailableError('this node runs without a database (DATABASE_URL=none)'));

export const noStore: Store = {
  project: unavailable,
  projectDeadLetters: unavailable,
  mark: unavailable,
  task: unavailable,
  deadLetters: unavailable,
  countByStatus: unavailable,
  endedBefore: unavailable,
  migrate: unavailable,
  ready: () => Promise.resolve(true),
  close: () => Promise.resolve(),
};
