/** A call as a step of its task's record, be it of a model or of embeddings: made once, and given to every later attempt. */
import type { Metrics } from '../kernel/metrics.ts';
import { linked } from '../kernel/signal.ts';
import type { Underway } from '../task/journal.ts';
import type { Usage } from '../task/record.ts';
import type { AttemptScope } from './scope.ts';

/** What making it needs to know of its place. */
export interface Place {
  /** Its key in the journal. */
  readonly key: string;
  /** The task's and the call's own. */
  readonly signal: AbortSignal;
  readonly underway: Underway;
}

export interface JournaledCall<Recorded> {
  readonly metrics: Pick<Metrics, 'modelReplays'>;
  /** The app's name for the model. */
  readonly name: string;
  /** The step's name. */
  readonly step: string;
  /** Equal calls have equal ones. */
  readonly hash: string;
  readonly abortSignal: AbortSignal | undefined;
  readonly make: (place: Place) => Promise<Recorded>;
  /** Reads what was recorded. */
  readonly recall: (value: unknown, step: string) => Recorded;
}

/** Throws what `make` and `recall` throw, `FencedError`, and the signals' reasons. */
export const journaled = async <Recorded extends { readonly billed: Usage }>(
  { attempt, equals }: AttemptScope,
  { metrics, name, step, hash, abortSignal, make, recall }: JournaledCall<Recorded>,
): Promise<{ readonly recorded: Recorded; readonly key: string }> => {
  const { key, release } = equals.take(hash);
  const life = linked(attempt.signal, abortSignal);
  const { signal } = life;
  try {
    const run = (underway: Underway): Promise<Recorded> => make({ key, signal, underway });
    const stepped = await attempt.journal.step(step, key, run, (value) => recall(value, step).billed);
    const { value, replayed, ms } = stepped;
    if (replayed) metrics.modelReplays.labels(name).inc();
    attempt.emit({ type: 'step', name: step, key, ms, replayed });
    return { recorded: recall(value, step), key };
  } catch (error) {
    release();
    throw error;
  } finally {
    life.abort();
  }
};
