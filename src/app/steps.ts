/** `ctx.step`: the journal's step, with the tries and the time that its options give it. */
import { type Backoff, backoffMs } from '../kernel/backoff.ts';
import type { Clock } from '../kernel/clock.ts';
import { toMs } from '../kernel/duration.ts';
import { NonRetryableError, TimeoutError } from '../kernel/errors.ts';
import type { Random } from '../kernel/random.ts';
import { linked } from '../kernel/signal.ts';
import type { Attempt } from '../task/executor.ts';
import type { StepInput, StepOptions } from './context-types.ts';
import { completedBackoff, type Retry } from './retry.ts';

const nameMax = 128;
const keyMax = 256;
const triesMax = 1_000;

export interface StepRunner {
  readonly clock: Clock;
  readonly random: Random;
  /** Called for each step that was answered from the record. */
  readonly replayed: () => void;
}

type Work = (step: StepInput) => unknown;

export const stepper =
  (runner: StepRunner, attempt: Attempt) =>
  async (name: string, fn: Work, options: StepOptions = {}): Promise<unknown> => {
    const key = options.key === undefined ? undefined : String(options.key);
    refuseLong(name, key);
    const idempotencyKey = `${attempt.task.recordKey}:${name}${key === undefined ? '' : `:${key}`}`;
    const step = await attempt.journal.step(name, key, () =>
      tries({ ...runner, name }, options, (signal) => fn({ idempotencyKey, abortSignal: signal }), attempt.signal),
    );
    if (step.replayed) runner.replayed();
    attempt.emit({ type: 'step', name, ...(key === undefined ? {} : { key }), ms: step.ms, replayed: step.replayed });
    return step.value;
  };

const refuseLong = (name: string, key: string | undefined): void => {
  if (typeof name !== 'string' || name.length === 0 || name.length > nameMax)
    throw new NonRetryableError(`a step's name has 1 to ${nameMax} characters; this one has ${String(name).length}`);
  if (key !== undefined && key.length > keyMax)
    throw new NonRetryableError(`the key of step "${name}" has ${key.length} characters; at most ${keyMax}: hash it`);
};

const tries = async (
  { clock, random, name }: Pick<StepRunner, 'clock' | 'random'> & { readonly name: string },
  { timeout, retry }: StepOptions,
  work: (signal: AbortSignal) => unknown,
  signal: AbortSignal,
): Promise<unknown> => {
  const max = triesOf(retry?.max ?? 1);
  const backoff = backoffOf(retry?.backoff);
  for (let failures = 0; ; ) {
    signal.throwIfAborted();
    try {
      return await withTimeout({ clock, name, timeout }, work, signal);
    } catch (error) {
      failures += 1;
      if (failures >= max || error instanceof NonRetryableError || signal.aborted) throw error;
    }
    await clock.sleep(backoffMs(backoff, failures, random), signal);
  }
};

const triesOf = (max: number): number => {
  if (Number.isSafeInteger(max) && max >= 1 && max <= triesMax) return max;
  throw new NonRetryableError(`a step's retry.max is ${String(max).slice(0, 40)}; it takes 1 to ${triesMax}`);
};

const backoffOf = ({ first, factor, max }: NonNullable<Retry['backoff']> = {}): Backoff =>
  completedBackoff({
    firstMs: first === undefined ? undefined : toMs(first, "a step's backoff.first"),
    factor,
    maxMs: max === undefined ? undefined : toMs(max, "a step's backoff.max"),
  });

interface Limit {
  readonly clock: Clock;
  readonly timeout: StepOptions['timeout'];
  /** Of the step. */
  readonly name: string;
}

const withTimeout = async (
  { clock, name, timeout }: Limit,
  work: (signal: AbortSignal) => unknown,
  signal: AbortSignal,
): Promise<unknown> => {
  if (timeout === undefined) return work(signal);
  const ms = toMs(timeout, "a step's timeout");
  const life = linked(signal);
  const over = Promise.withResolvers<never>();
  const timer = clock.timer(ms, () => {
    const error = new TimeoutError(`step "${name}" took longer than its timeout of ${ms} ms`);
    life.abort(error);
    over.reject(error);
  });
  try {
    return await Promise.race([work(life.signal), over.promise]);
  } finally {
    timer.cancel();
    life.abort();
  }
};
