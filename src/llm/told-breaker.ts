/** The breaker of one of a model's entries, which says in the log when the entry is left alone, and when it answers again. */
import { formatMs } from '../kernel/duration.ts';
import { type Breaker, breaker } from './breaker.ts';
import { told } from './failure.ts';
import { nameOf } from './route.ts';
import type { CallPorts } from './scope.ts';

/** `name`: the app's, for the model. */
export const toldBreaker = (
  { clock, log }: Pick<CallPorts['ports'], 'clock' | 'log'>,
  name: string,
  entry: Parameters<typeof nameOf>[0],
): Breaker => {
  const which = { model: name, by: nameOf(entry) };
  return breaker(clock, {
    opened: (ms, { cause }) =>
      log.warn(
        { ...which, ms, lastError: told(cause) },
        `an entry of the model has failed too often and is left alone for ${formatMs(ms)}`,
      ),
    closed: () => log.info(which, 'an entry of the model that had failed too often answers again'),
  });
};
