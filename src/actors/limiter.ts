/**
 * The limiter of one budget: on every node one stands by, and one of them all grants. Whoever grants keeps the budget's key
 * fresh; who has seen nothing new there for a while takes over by writing over it. Only who writes it can take more.
 */
import type { Bus } from '../bus/bus.ts';
import type { Queue } from '../bus/queue.ts';
import { buckets, named } from '../bus/subjects.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import type { Metrics } from '../kernel/metrics.ts';
import type { Start } from '../kernel/process.ts';
import type { Random } from '../kernel/random.ts';
import { bucket } from '../kv/bucket.ts';
import type { Bucket } from '../kv/kv.ts';
import { type Budget, heldMs, timingOf } from '../limiter/budget.ts';
import { reign, type ReignOptions } from './limiter-reign.ts';
import { type Sight, sightOf } from './limiter-sight.ts';
import { writeKey } from './limiter-write.ts';

export interface LimiterOptions {
  readonly budget: Budget;
  readonly bus: Bus;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly node: string;
  /** Troupe's, for `nats micro`. */
  readonly version: string;
}

/** T: the key is fresh for so long. Its holder gives up after that, and others take over a little later. */
const leaseMs = 1_000;
const lookMs = 100;

export const limiter =
  (options: LimiterOptions): Start =>
  async (signal) => {
    const { budget, clock, random, log } = options;
    const limits = bucket(options.queue, buckets.limits);
    let wake = (): void => {};
    const sight = await sightOf({ ...options, limits, budget: named('budget', budget.name), changed: () => wake() });

    /** Resolves after a while, or when the key has changed. */
    const look = (ms: number): Promise<void> =>
      new Promise((resolve) => {
        const timer = clock.timer(ms, resolve);
        wake = () => {
          timer.cancel();
          resolve();
        };
      });

    const life = async (): Promise<void> => {
      while (!signal.aborted) {
        const share = random.next();
        const patienceMs = (): number => leaseMs * (1.1 + 0.15 * share + (knowsAll(options, sight) ? 0 : 0.5));
        while (!signal.aborted && !isVacant(sight, patienceMs())) await look(lookMs);
        if (signal.aborted) return;
        const won = await takeOver({ ...options, limits }, sight, signal);
        if (!won) {
          await look(lookMs); // What it was refused for may be so for long.
          continue;
        }
        log.info({ budget: budget.name, epoch: won.epoch }, 'this node limits the budget');
        await reign({ ...options, ...won, limits, leaseMs }, signal);
        if (!signal.aborted) log.warn({ budget: budget.name, epoch: won.epoch }, 'another node limits the budget now');
      }
    };

    signal.addEventListener('abort', () => wake(), { once: true });
    const exit = life().finally(() => sight.close());
    return { exit };
  };

const isVacant = (sight: Sight, patienceMs: number): boolean =>
  sight.revision() === 0 || sight.key()?.node === '' || sight.silentMs() > patienceMs;

/**
 * Whether it has seen each slice come that counts still. Who has not would date some too late, and what they hold would be
 * granted again later than it might: so it lets the others go first.
 */
const knowsAll = ({ budget, clock }: LimiterOptions, sight: Sight): boolean =>
  clock.monotonic() - sight.missedAtMs() > longestMs(budget);

type Won = Pick<ReignOptions, 'epoch' | 'revision' | 'inherited' | 'closedMs'>;

/** Writes this node into the key; `undefined` if another was faster. */
const takeOver = async (
  options: LimiterOptions & { readonly limits: Bucket },
  sight: Sight,
  signal: AbortSignal,
): Promise<Won | undefined> => {
  const { budget, node } = options;
  const expected = sight.revision();
  const before = sight.key();
  const slices = before?.slices ?? [];
  // Never one that was there: clients tell answers by it.
  const epoch = sight.epoch() + 1;
  // Nothing for a window, then.
  const closedMs = sight.isLost() ? longestMs(budget) : (before?.closedMs ?? 0);
  const key = { epoch, node, closedMs, slices };
  const written = await writeKey({ ...options, expected, signal }, key).catch((error: unknown) => {
    if (signal.aborted) return undefined;
    throw error;
  });
  if (written?.type === 'lost') sight.correct(expected, written.current);
  if (written?.type !== 'written') return undefined;
  return { epoch, revision: written.revision, inherited: sight.inherited(), closedMs };
};

const longestMs = (budget: Budget): number => {
  const timing = timingOf(budget);
  const held = Math.max(0, ...budget.windows.map((window) => heldMs(window, timing)));
  return held + timing.sliceMs + timing.permitMs + timing.travelMs;
};
