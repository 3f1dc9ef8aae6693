/**
 * Where the tasks of a batch meet: each worker brings the attempt it has, and waits for what the handler says of it.
 * The tasks stay their own: what becomes of one is recorded at once, and one that is cancelled leaves alone.
 */
import type { Clock, Timer } from '../kernel/clock.ts';
import { TroupeError } from '../kernel/errors.ts';
import { type Answerable, inNameOf } from '../kernel/stray.ts';
import type { Attempt, Outcome } from '../task/executor.ts';
import type { Usage } from '../task/record.ts';
import { total } from '../task/transitions.ts';
import { attemptOfAll, type Sharer } from './batch-attempt.ts';
import type { BatchItem } from './batch-types.ts';
import type { BaseCtx } from './context-types.ts';
import { failureOf, outcomeOf } from './failure.ts';
import type { ResolvedBatch } from './resolved.ts';

export interface GathererOptions {
  readonly batch: ResolvedBatch;
  readonly clock: Clock;
  /** The server's clock, epoch ms. */
  readonly now: () => number;
  /** Given the batch as if it were one attempt. */
  readonly contextOf: (attempt: Attempt) => Promise<BaseCtx>;
  /** What an item's output comes to. */
  readonly outcomeOfOutput: (output: unknown) => Outcome | Promise<Outcome>;
  readonly begun: () => void;
}

/** An attempt that is waiting for its outcome. */
interface Member extends Sharer {
  readonly input: unknown;
  /** The first one counts. */
  readonly end: (outcome: Outcome | Promise<Outcome>) => void;
  /** Called when its task is stopped: cancelled, out of time, or handed back. */
  onDropped: (reason: unknown) => void;
}

/** Answers for the attempt, once it has been handled with others. */
export const gatherer = (
  options: GathererOptions,
): ((attempt: Attempt, input: unknown) => Outcome | Promise<Outcome>) => {
  const { batch, clock } = options;
  let gathering: Member[] = [];
  let waiting: Timer | undefined;

  const close = (): void => {
    waiting?.cancel();
    waiting = undefined;
    const members = gathering;
    gathering = [];
    if (members.length > 0) void handle(options, members); // Never rejects.
  };

  const join = (member: Member): void => {
    if (member.attempt.alone) return void handle(options, [member]);
    gathering.push(member);
    if (gathering.length >= batch.size) return close();
    waiting ??= clock.timer(batch.waitMs, close);
    member.onDropped = () => {
      gathering = gathering.filter((other) => other !== member);
    };
  };

  return (attempt, input) =>
    attempt.signal.aborted
      ? stopped(attempt.signal.reason)
      : new Promise((resolve) => {
          join(memberOf(attempt, input, resolve));
        });
};

/** Nobody reads it: whoever stopped the attempt has an outcome already. */
const stopped = (reason: unknown): Outcome => ({ type: 'failed', error: failureOf(reason) });

const memberOf = (attempt: Attempt, input: unknown, resolve: (outcome: Outcome | Promise<Outcome>) => void): Member => {
  const { signal } = attempt;
  let open = true;
  let usage: Usage | undefined;
  const costed = (outcome: Outcome): Outcome => (usage ? { ...outcome, usage } : outcome);
  const end: Member['end'] = (outcome) => {
    if (!open) return;
    open = false;
    signal.removeEventListener('abort', drop);
    resolve(outcome instanceof Promise ? outcome.then(costed) : costed(outcome));
  };
  const charge: Member['charge'] = (used) => {
    usage = usage ? total(usage, used) : used;
  };
  const drop = (): void => {
    end(stopped(signal.reason));
    member.onDropped(signal.reason);
  };
  const member: Member = { attempt, input, isOpen: () => open, charge, end, onDropped: () => {} };
  signal.addEventListener('abort', drop, { once: true });
  return member;
};

const handle = async (options: GathererOptions, members: readonly Member[]): Promise<void> => {
  const { batch, now } = options;
  const life = new AbortController();
  for (const member of members)
    member.onDropped = (reason) => {
      if (!members.some((other) => other.isOpen())) life.abort(reason);
    };
  const failed = (error: unknown): void => {
    const outcome = outcomeOf(error, now());
    // Of several nobody knows which one it was about: each is to show it by itself.
    const each: Outcome =
      outcome.type === 'failed' || members.length > 1
        ? { ...outcome, type: 'failed', error: failureOf(error), alone: true }
        : outcome;
    for (const { end } of members) end(each);
  };
  const together = attemptOfAll(members, life.signal);
  const answerable: Answerable = {
    name: `a batch of ${members.length} "${together.task.type}"`,
    fail: (error) => {
      const isOpen = members.some((member) => member.isOpen());
      failed(error);
      life.abort(error);
      return isOpen;
    },
  };
  options.begun();
  try {
    await inNameOf(answerable, async () => {
      const ctx = await options.contextOf(together);
      await batch.handler(
        ctx,
        members.filter(({ isOpen }) => isOpen()).map((member) => itemOf(options, member)),
      );
    });
    failed(new BatchUndecidedError());
  } catch (error) {
    failed(error);
  }
};

/** A handler of a batch ended without a word about this task. */
class BatchUndecidedError extends TroupeError {
  override readonly name = 'BatchUndecidedError';
  override readonly code = 'batch_undecided';
  constructor() {
    super(
      'the handler of the batch ended without completing or failing this task: call `complete` or `fail` of each item',
    );
  }
}

const itemOf = ({ outcomeOfOutput, now }: GathererOptions, { attempt, input, end }: Member): BatchItem => ({
  id: attempt.task.id,
  input,
  attempt: attempt.number,
  ...(attempt.task.tenant === undefined ? {} : { tenant: attempt.task.tenant }),
  complete: (output) => {
    try {
      const outcome = outcomeOfOutput(output);
      end(outcome instanceof Promise ? outcome.catch((error: unknown) => outcomeOf(error, now())) : outcome);
    } catch (error) {
      end(outcomeOf(error, now()));
    }
  },
  fail: (error) => end(outcomeOf(error, now())),
});
