/** A call that goes out: under its permits, to one provider, and settled. */
import { TimeoutError } from '../kernel/errors.ts';
import { linked } from '../kernel/signal.ts';
import type { Underway } from '../task/journal.ts';
import { type Answer, type Recorded, record } from './content.ts';
import { permitted } from './permission.ts';
import { generate, stream } from './provider.ts';
import { nameOf, type Provider } from './route.ts';
import type { Call } from './scope.ts';
import { actual, bill, countPaid } from './usage.ts';
import type { AnswerHeaders, WireCall } from './wire-call.ts';

/** Waits for the permits, asks the provider, settles. */
export const paid = async (one: Call, provider: Provider, underway: Underway): Promise<Recorded> => {
  const { all, scope, params, signal, patience } = one;
  const { task } = scope.attempt;
  const { budgets, model, price } = provider;
  const noted = notedRequest(underway);
  const request = {
    budgets,
    clock: all.ports.clock,
    amount: await all.estimates.amount(model, params),
    lane: task.route.lane,
    tenant: task.tenant ?? '',
    holdMs: scope.timeoutMs,
    tasks: [task.recordKey],
    signal,
    patience,
    heard: noted.begun,
  };
  let waitedMs = 0;
  const answer = await permitted(
    all.permits,
    provider.transport,
    request,
    async (wire) => {
      const given = await asked(one, provider, wire, noted);
      waitedMs = Math.max(...wire.permits.map((permit) => permit.waitedMs));
      return given;
    },
    ({ usage }) => actual(usage),
  );
  const billed = bill(answer.usage, price);
  const { number: attempt } = scope.attempt;
  const recorded = record(answer, { by: nameOf(provider), requestId: noted.id(), attempt, waitedMs, billed });
  countPaid(all.ports.metrics, scope.name, billed, actual(answer.usage) !== undefined);
  return recorded;
};

/** The provider's time begins here: waiting for the permits was not its own. */
const asked = async (one: Call, { model }: Provider, wire: WireCall, noted: NotedRequest): Promise<Answer> => {
  const { all, scope, params, signal, key, passage } = one;
  const { timeoutMs, name } = scope;
  const life = linked(signal);
  const timer = all.ports.clock.timer(timeoutMs, () =>
    life.abort(new TimeoutError(`model "${name}" gave no answer within ${timeoutMs} ms`)),
  );
  const id = `${scope.attempt.task.recordKey}:${key}`;
  const called = {
    model,
    params: { ...params, abortSignal: life.signal, headers: { ...params.headers, 'idempotency-key': id } },
    signal: life.signal,
    id,
    heard: (headers: AnswerHeaders): void => {
      if (!wire.wired) for (const permit of wire.permits) permit.heard();
      if (passage) noted.begun(headers);
      else noted.ended(headers);
    },
  };
  try {
    return passage ? await stream(called, passage) : await generate(called);
  } finally {
    timer.cancel();
    life.abort();
  }
};

interface NotedRequest {
  /** The answer has begun, and its body is still to be read. */
  begun(headers: AnswerHeaders): void;
  /** The answer is there: nothing is left that could be interrupted. */
  ended(headers: AnswerHeaders): void;
  id(): string | undefined;
}

/**
 * One more write of the record for each call, beside the reading of the body: it delays no part of it. If the process
 * dies now, the next attempt knows that the provider had begun to answer, and which of its requests that was.
 */
const notedRequest = ({ begun }: Underway): NotedRequest => {
  let id: string | undefined;
  const named = (headers: AnswerHeaders): string | undefined => (id ??= requestIdOf(headers));
  return {
    begun: (headers) => {
      if (id !== undefined || named(headers) === undefined) return;
      begun(id ?? '').catch(() => {}); // Who has lost the task is told so by its signal.
    },
    ended: named,
    id: () => id,
  };
};

const requestIdHeaders = ['x-request-id', 'request-id', 'x-amzn-requestid', 'apim-request-id', 'cf-ray'];

const requestIdOf = (headers: AnswerHeaders): string | undefined => {
  const found = requestIdHeaders.map((name) => headers[name]).find((id) => id !== undefined);
  return found === undefined ? undefined : String(found).slice(0, 200);
};
