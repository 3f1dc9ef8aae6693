/** Permits of several budgets as one: a call goes when all of them have room at the same moment. */
import { isTroupeError } from '../kernel/errors.ts';
import { linked } from '../kernel/signal.ts';
import type { Amount } from '../limiter/budget.ts';
import type { Permit, Permits, Wanted } from '../limiter/permits.ts';
import type { Patience } from './waiting.ts';

export interface Request extends Omit<Wanted, 'maxWaitMs'> {
  readonly budgets: readonly string[];
  readonly patience: Patience;
}

/** Why permits that were granted were not used: they came too late, so others have to be asked for. */
export class LatePermitError extends Error {
  override readonly name = 'LatePermitError';
}

/**
 * Calls `call` under permits of all the budgets, and asks anew as long as they come too late. `settle` follows; what
 * was reserved stands where it says nothing. Throws what `Permits.acquire` throws, with the task's deadline in the
 * limiter's place where that was what ran out.
 */
export const permitted = async <T>(
  permits: Permits,
  request: Request,
  call: (granted: readonly Permit[]) => Promise<T>,
  actual: (result: T) => Amount | undefined,
): Promise<T> => {
  for (;;) {
    const granted = await acquireAll(permits, request);
    try {
      const result = await call(granted);
      for (const permit of granted) permit.settle(actual(result));
      return result;
    } catch (error) {
      if (error instanceof LatePermitError) continue;
      for (const permit of granted) permit.settle();
      throw error;
    }
  }
};

const acquireAll = async (permits: Permits, request: Request): Promise<readonly Permit[]> => {
  const { budgets, patience, signal, ...wanted } = request;
  for (;;) {
    signal.throwIfAborted();
    const maxWaitMs = patience.leftMs();
    if (maxWaitMs <= 0) throw patience.over(waitedFor(budgets));
    const life = linked(signal);
    const asked = budgets.map((budget) => permits.acquire(budget, { ...wanted, maxWaitMs, signal: life.signal }));
    // One that will never be granted ends the wait for the others.
    for (const each of asked) each.catch((error: unknown) => life.abort(error));
    const answers = await Promise.allSettled(asked);
    life.abort();
    const granted = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    if (granted.length === budgets.length && granted.every((permit) => permit.inTime())) return granted;
    for (const permit of granted) permit.unsent();
    const refusal = answers.find((answer) => answer.status === 'rejected');
    if (refusal)
      throw isTroupeError(refusal.reason, 'limiter_timeout') ? patience.over(waitedFor(budgets)) : refusal.reason;
  }
};

const waitedFor = (budgets: readonly string[]): string =>
  `a permit of ${budgets.map((budget) => `budget "${budget}"`).join(' and ')}`;

/**
 * Runs a call under permits that it has been granted: says when it was sent, or throws `LatePermitError` where nothing
 * was sent and nothing will be.
 */
export type Wire = <T>(granted: readonly Permit[], call: () => Promise<T>) => Promise<T>;

/**
 * For a call whose first byte nobody sees: asks right before it begins, and takes that as the moment it is sent.
 * Between that and the wire are JSON, DNS and TCP, so a process that stands still there is late without being told.
 */
export const checked: Wire = async (granted, call) => {
  if (!granted.every((permit) => permit.inTime())) {
    for (const permit of granted) permit.unsent();
    throw new LatePermitError('a permit came too late');
  }
  for (const permit of granted) permit.sent();
  return call();
};
