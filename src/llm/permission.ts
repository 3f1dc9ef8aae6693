/** Permits of several budgets as one: a call goes when all of them have room at the same moment. */
import { isTroupeError } from '../kernel/errors.ts';
import { linked } from '../kernel/signal.ts';
import type { Amount } from '../limiter/budget.ts';
import type { Permit, Permits, Wanted } from '../limiter/permits.ts';
import type { Transport } from './transport.ts';
import type { Patience } from './waiting.ts';
import { type PermitSource, type WireCall, withPermit } from './wire-call.ts';

export interface Request extends Omit<Wanted, 'maxWaitMs'> {
  readonly budgets: readonly string[];
  readonly patience: Patience;
  /** The answer has begun: told where it can be seen at the wire. */
  readonly heard?: PermitSource['heard'];
}

/**
 * Calls `call` under permits of all the budgets, and settles them: by `actual`, or as they were reserved where that
 * says nothing. Throws what `Permits.acquire` throws, with the task's deadline in the limiter's place where that was
 * what ran out.
 */
export const permitted = async <T>(
  permits: Permits,
  transport: Transport,
  request: Request,
  call: (wire: WireCall) => Promise<T>,
  actual: (result: T) => Amount | undefined,
): Promise<T> => {
  const first = await acquireAll(permits, request);
  const { heard = () => {} } = request;
  return withPermit({ first, next: () => acquireAll(permits, request), heard }, async (wire) => {
    for (const permit of first) begin(permit, transport);
    try {
      const result = await call(wire);
      transport.show(wire.wired);
      settle(wire, transport, actual(result));
      return result;
    } catch (error) {
      settle(wire, transport);
      throw error;
    }
  });
};

const begin = (permit: Permit, { wired }: Transport): void => {
  if (wired === undefined) permit.begun();
  else if (!wired) permit.sent();
};

const settle = (wire: WireCall, transport: Transport, actual?: Amount): void => {
  for (const permit of wire.permits) {
    // It failed before it asked for anything.
    if (!wire.wired && transport.wired) permit.unsent();
    permit.settle(actual);
  }
};

/** Those that are there together, in time. */
const acquireAll = async (permits: Permits, request: Request): Promise<readonly Permit[]> => {
  const { budgets, patience, signal, heard: _heard, ...wanted } = request;
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
