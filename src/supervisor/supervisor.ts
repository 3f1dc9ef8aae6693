/**
 * Keeps its children running: starts them in order, restarts the ones that exit, and stops them
 * in reverse. When restarts exceed the intensity it crashes, and its own supervisor decides.
 */
import type { Clock } from '../kernel/clock.ts';
import { formatMs } from '../kernel/duration.ts';
import { NotFoundError, RestartIntensityError, UnavailableError } from '../kernel/errors.ts';
import { mailbox } from '../kernel/mailbox.ts';
import type { Start } from '../kernel/process.ts';
import type { ChildSpec, Exit } from './child.ts';
import { type ChildInfo, type Exited, type ChildList, childList, refuseDuplicates } from './children.ts';
import { restartCounter, type RestartIntensity } from './intensity.ts';
import { restartGroup, shouldRestart, type Strategy } from './strategy.ts';

export interface SupervisorSpec extends RestartIntensity {
  readonly strategy: Strategy;
  readonly children: readonly ChildSpec[];
}

export type SupervisorEvent =
  | { readonly type: 'crashed'; readonly child: string; readonly error: unknown }
  | { readonly type: 'ended'; readonly child: string }
  /** `restarts` counts those of this child. */
  | { readonly type: 'restarted'; readonly child: string; readonly restarts: number }
  | { readonly type: 'gave_up'; readonly child: string; readonly error: RestartIntensityError }
  /** It did not stop within its `shutdownMs`. It may still be running, and nobody watches it. */
  | { readonly type: 'left_behind'; readonly child: string };

export interface SupervisorOptions {
  readonly clock: Clock;
  /** For logs and metrics. */
  readonly onEvent?: (event: SupervisorEvent) => void;
}

/** The children added by `startChild` end with the supervisor: a restart of it begins with those of its spec. */
export interface Supervisor {
  readonly start: Start;
  /**
   * Adds a child after all others and resolves once it is ready. Rejects with what its start threw, and
   * the child is not added; with UnavailableError while the supervisor is not running; with
   * ConfigurationError if the id is taken.
   */
  readonly startChild: (spec: ChildSpec) => Promise<void>;
  /** Stops and removes a child, and resolves when it has ended or was left behind. Rejects with NotFoundError. */
  readonly stopChild: (id: string) => Promise<void>;
  /** In start order; empty while the supervisor is not running. */
  readonly children: () => readonly ChildInfo[];
}

/** Throws ConfigurationError if two children have the same id. */
export const supervisor = (spec: SupervisorSpec, { clock, onEvent = () => {} }: SupervisorOptions): Supervisor => {
  refuseDuplicates(spec.children);
  let running: ChildList | undefined;

  const start: Start = async (signal) => {
    const exits = mailbox<Exited>(signal);
    const leftBehind = (child: string): void => onEvent({ type: 'left_behind', child });
    const list = childList(spec.children, { clock, exited: exits.pushOwn, leftBehind });
    running = list;

    const finish = async (): Promise<void> => {
      if (running === list) running = undefined;
      await list.stop(list.specs());
      await list.farewell();
    };

    const live = async (): Promise<void> => {
      try {
        await watch({ spec, list, exits, signal, clock, onEvent });
      } finally {
        await finish();
      }
    };

    await list.start(spec.children, signal).catch(async (error: unknown) => {
      await finish();
      throw error;
    });
    return { exit: live() };
  };

  const current = (): ChildList => {
    if (!running) throw new UnavailableError('the supervisor is not running');
    return running;
  };

  return {
    start,
    startChild: async (added) => {
      const list = current();
      const child = list.add(added);
      await child.ready.catch(async (error: unknown) => {
        // In this very turn, before its exit is dealt with: nobody restarts what was never there.
        await list.remove(added);
        throw error;
      });
    },
    stopChild: async (id) => {
      const list = current();
      const known = list.find(id);
      if (!known) throw new NotFoundError(`the supervisor has no child "${id}"`);
      await list.remove(known);
    },
    children: () => running?.info() ?? [],
  };
};

interface Watch extends Required<SupervisorOptions> {
  readonly spec: SupervisorSpec;
  readonly list: ChildList;
  readonly exits: AsyncIterable<Exited>;
  readonly signal: AbortSignal;
}

/** Deals with one exit after the other until the signal aborts. Rejects when it gives up. */
const watch = async ({ spec, list, exits, signal, clock, onEvent }: Watch): Promise<void> => {
  const withinIntensity = restartCounter(spec, clock.monotonic);
  const reportRestart = (child: string): void =>
    onEvent({ type: 'restarted', child, restarts: list.countRestart(child) });

  const restart = async (failed: ChildSpec): Promise<void> => {
    const group = restartGroup(spec.strategy, list.specs(), failed);
    await list.stop(group);
    for (const each of group) if (each.restart === 'temporary') list.forget(each);
    // Whoever fails to start reports a crash too, so its retry comes through the loop.
    await list.start(group, signal, reportRestart).catch(() => {});
  };

  for await (const { child, exit } of exits) {
    const { id } = child.spec;
    if (!list.bury(child)) continue; // It was stopped on purpose.
    onEvent(exit.type === 'crashed' ? { type: 'crashed', child: id, error: exit.error } : { type: 'ended', child: id });
    if (child.spec.restart === 'temporary') list.forget(child.spec);
    if (!shouldRestart(child.spec, exit)) continue;
    if (!withinIntensity()) {
      const error = tooOften(spec, id, exit);
      onEvent({ type: 'gave_up', child: id, error });
      throw error;
    }
    await restart(child.spec);
  }
};

const tooOften = ({ intensity, periodMs }: RestartIntensity, child: string, exit: Exit): RestartIntensityError =>
  new RestartIntensityError(
    `child "${child}" exits again after ${intensity} restarts within ${formatMs(periodMs)}`,
    exit.type === 'crashed' ? { cause: exit.error } : {},
  );
