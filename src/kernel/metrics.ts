/**
 * Every metric there is, declared in one place. A new one is one line in `declare`: `troupe_` comes
 * before its name, and its labels become the arguments of `labels()`.
 */
import * as prom from 'prom-client';
import { counter, gauge, histogram } from './series.ts';

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600] as const;

const declare = (registry: prom.Registry) => {
  const count = <const Names extends readonly string[]>(name: string, help: string, labels: Names) =>
    counter({ name: `troupe_${name}`, help, labels }, registry);
  const level = <const Names extends readonly string[]>(name: string, help: string, labels: Names) =>
    gauge({ name: `troupe_${name}`, help, labels }, registry);
  const spread = <const Names extends readonly string[]>(name: string, help: string, labels: Names) =>
    histogram({ name: `troupe_${name}`, help, labels, buckets: seconds }, registry);

  return {
    badInput: count('bad_input_total', 'Messages and requests that were refused or dead-lettered', ['reason']),
    submitted: count('submitted_total', 'Tasks accepted from clients and the inbox', ['type']),
    refused: count('refused_total', 'Submits refused for overload', ['reason']),
    tasks: count('tasks_total', 'Tasks that ended', ['type', 'outcome']),
    attempts: count('task_attempts_total', 'Attempts begun', ['type']),
    attemptSeconds: spread('task_attempt_seconds', 'How long attempts took', ['type']),
    batches: count('batches_total', 'Calls of batch handlers', ['type']),
    redeliveries: count('redeliveries_total', 'Deliveries that were not the first of their message', ['pool']),
    stepsReplayed: count('steps_replayed_total', 'Steps answered from the record instead of run again', ['type']),
    fenced: count('fenced_total', 'Attempts that lost their task to another one', ['type']),
    deadLetters: count('dead_letters_total', 'Dead letters written', ['reason']),
    projected: count('projected_total', 'Records written to Postgres', []),
    projectionRefused: count('projection_refused_total', 'Records that Postgres refused', ['reason']),
    restarts: count('restarts_total', 'Children restarted by their supervisor', ['child']),
    limiterGrants: count('limiter_grants_total', 'Permits granted by this node', ['budget']),
    limiterLate: count(
      'limiter_late_total',
      'Requests that left after their permit had run out, and were counted from when that was heard',
      ['budget'],
    ),
    limiterPenalties: count('limiter_penalties_total', 'Times a provider closed a budget', ['budget']),
    limiterWaitSeconds: spread('limiter_wait_seconds', 'How long permits took to get', ['budget']),
    limiterTimeouts: count('limiter_timeouts_total', 'Waits for a permit that were given up after maxWait', ['budget']),
    limiterRefused: count('limiter_refused_total', 'Requests for permits that were refused at once, and why', [
      'budget',
      'reason',
    ]),
    limiterStale: count('limiter_stale_grants_total', 'Grants that came too late to be used', ['budget']),
    limiterUnknown: count('limiter_unknown_permits_total', 'Permits the limiter did not know when told', ['budget']),
    limiterUnchecked: count('limiter_unchecked_total', 'Requests sent through the limited fetch without a permit', []),
    limiterUnwired: count(
      'limiter_unwired_total',
      'Calls of models by another transport than the limited fetch: checked before they begin, not at the wire',
      ['model'],
    ),
    unhandledRejections: count('unhandled_rejections_total', 'Rejected promises that no handler had awaited', []),
    uncaughtExceptions: count('uncaught_exceptions_total', 'Exceptions that nobody caught', []),
    logDropped: count('log_dropped_total', 'Log lines dropped because their sink is too slow', []),
    modelCalls: count('model_calls_total', 'Calls of providers', ['model', 'outcome']),
    modelErrors: count('model_errors_total', 'Calls of models that came to nothing', ['model', 'reason']),
    modelTokens: count('model_tokens_total', 'Tokens as providers counted them', ['model', 'direction']),
    modelUsd: count('model_usd_total', 'What calls of models cost, by the prices in the config', ['model']),
    modelUncounted: count(
      'model_uncounted_total',
      'Answers whose provider gave no number of tokens, or none that can be: their estimate stands',
      ['model'],
    ),
    modelTokensByLength: count(
      'model_tokens_by_length_total',
      'Calls whose tokens were estimated by length, as no tokenizer is known of the model, by its own name',
      ['id'],
    ),
    modelReplays: count('model_replays_total', 'Calls of models answered from the record, unpaid', ['model']),
    modelCache: count('model_cache_total', 'Looks for an earlier answer of a model, and what came of them', [
      'model',
      'outcome',
    ]),
    consumerPending: level(
      'consumer_pending',
      'Messages that a consumer has yet to hand out, at the last look: tasks of a lane or of the inbox, what is due, records for the history',
      ['stream', 'consumer'],
    ),
    consumerAckPending: level('consumer_ack_pending', 'Messages of a consumer that are in hand, at the last look', [
      'stream',
      'consumer',
    ]),
    projectionBehind: level('projection_behind_seconds', 'Age of the oldest record that Postgres does not have', []),
    poolWorkers: level('pool_workers', 'Workers this node runs', ['pool']),
    poolBusy: level('pool_busy', 'Workers of this node with a task', ['pool']),
  } as const;
};

export type Metrics = ReturnType<typeof declare> & {
  /** From now on those of the process too (CPU, memory, delay of the event loop, collections), by the names that all Node programs have for them. */
  countProcess(): void;
  /** What `/metrics` answers. */
  text(): Promise<string>;
  readonly contentType: string;
};

/** Metrics of one runtime: several in one process, as in tests, do not share a number. */
export const createMetrics = (): Metrics => {
  const registry = new prom.Registry();
  const countProcess = (): void => prom.collectDefaultMetrics({ register: registry });
  return { ...declare(registry), countProcess, text: () => registry.metrics(), contentType: registry.contentType };
};
