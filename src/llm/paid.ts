/** A call that goes out: under its permits, to one provider, and settled. */
import { TimeoutError } from '../kernel/errors.ts';
import { linked } from '../kernel/signal.ts';
import type { Underway } from '../task/journal.ts';
import { type Recorded, record } from './content.ts';
import { permitted } from './permission.ts';
import { generate, stream } from './provider.ts';
import type { Provider } from './route.ts';
import type { Call } from './scope.ts';
import { actual, bill } from './usage.ts';
import type { WireCall } from './wire-call.ts';

export const nameOf = ({ model }: Provider): string => `${model.provider}/${model.modelId}`;

/** Waits for the permits, asks the provider, settles. */
export const paid = async (one: Call, provider: Provider, underway: Underway): Promise<Recorded> => {
  const { all, scope, params, signal, patience: waiting } = one;
  const { task } = scope.attempt;
  const { budgets, model, price } = provider;
  const request = {
    budgets,
    amount: await all.estimates.amount(model, params),
    lane: task.route.lane,
    tenant: task.tenant ?? '',
    holdMs: scope.timeoutMs,
    signal,
    patience: waiting,
  };
  const { answer, requestId } = await permitted(
    all.permits,
    provider.transport,
    request,
    (wire) => asked(one, provider, wire, underway),
    ({ answer: { usage } }) => actual(usage),
  );
  const billed = bill(answer.usage, price);
  const { modelCalls, modelTokens, modelUsd } = all.ports.metrics;
  modelCalls.labels(scope.name, 'answered').inc();
  modelTokens.labels(scope.name, 'input').inc(billed.inputTokens);
  modelTokens.labels(scope.name, 'output').inc(billed.outputTokens);
  modelUsd.labels(scope.name).inc(billed.usd);
  return record(answer, { by: nameOf(provider), requestId, billed });
};

/** The provider's time begins here: waiting for the permits was not its own. */
const asked = async (one: Call, { model }: Provider, wire: WireCall, underway: Underway) => {
  const { all, scope, params, signal, key, passage } = one;
  const { timeoutMs, name } = scope;
  const life = linked(signal);
  const timer = all.ports.clock.timer(timeoutMs, () =>
    life.abort(new TimeoutError(`model "${name}" gave no answer within ${timeoutMs} ms`)),
  );
  let requestId: string | undefined;
  const id = `${scope.attempt.task.recordKey}:${key}`;
  /**
   * One more write of the record for each stream, beside the reading of its body: it delays no part. If the process dies
   * now, the next attempt knows that the provider had begun to answer, and which of its requests that was.
   */
  const heard = (headers: Readonly<Record<string, string>>): void => {
    if (!wire.wired) for (const permit of wire.permits) permit.heard();
    requestId = requestIdOf(headers);
    if (passage && requestId !== undefined) underway.begun(requestId).catch((error: unknown) => life.abort(error));
  };
  const called = {
    model,
    params: { ...params, abortSignal: life.signal, headers: { ...params.headers, 'idempotency-key': id } },
    signal: life.signal,
    id,
    heard,
  };
  try {
    const answer = passage ? await stream(called, passage) : await generate(called);
    return { answer, requestId };
  } finally {
    timer.cancel();
    life.abort();
  }
};

const requestIdHeaders = ['x-request-id', 'request-id', 'x-amzn-requestid', 'apim-request-id', 'cf-ray'];

const requestIdOf = (headers: Readonly<Record<string, string>>): string | undefined =>
  requestIdHeaders
    .map((name) => headers[name])
    .find((id) => id !== undefined)
    ?.slice(0, 200);
