/** Permits of several budgets as one: a call goes when all of them have room at the same moment. */
import { isTroupeError } from '../kernel/errors.ts';
import type { Amount } from '../limiter/budget.ts';
import type { Permit, Permits } from '../limiter/permits.ts';
import { together, type Together } from './together.ts';
import type { Transport } from './transport.ts';
import type { Patience } from './patience.ts';
import { type PermitSource, type WireCall, withPermit } from './wire-call.ts';

export interface Request extends Omit<Together, 'leftMs'> {
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
  const { patience, heard: _heard, ...wanted } = request;
  const { budgets, signal } = wanted;
  signal.throwIfAborted();
  if (patience.leftMs() <= 0) throw patience.over(waitedFor(budgets));
  try {
    return await together(permits, { ...wanted, leftMs: patience.leftMs });
  } catch (error) {
    throw isTroupeError(error, 'limiter_timeout') ? patience.over(waitedFor(budgets)) : error;
  }
};

const waitedFor = (budgets: readonly string[]): string =>
  `a permit of ${budgets.map((budget) => `budget "${budget}"`).join(' and ')}`;
