/** Where there is no limiter: nothing goes. */
import { UnavailableError } from '../kernel/errors.ts';
import type { Permits } from './permits.ts';

export const noPermits: Permits = {
  acquire: (budget) =>
    Promise.reject(
      new UnavailableError(
        `budget "${budget}" has no limiter here: this node was started without one, so nothing may use it`,
      ),
    ),
  penalize: () => {},
  waitMs: () => 0,
};
