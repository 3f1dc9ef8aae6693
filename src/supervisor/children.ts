/**
 * The children of one supervisor, in the order in which they start; they stop in reverse. A child is
 * alive from its launch until it is stopped or its exit has been dealt with.
 */
import type { Clock } from '../kernel/clock.ts';
import { ConfigurationError } from '../kernel/errors.ts';
import { unlessAborted } from '../kernel/signal.ts';
import { launch, type Child, type ChildSpec, type Exit, type Restart } from './child.ts';

export interface ChildInfo {
  readonly id: string;
  readonly restart: Restart;
  /** `stopped`: its exit asked for no restart, or its restart is under way. */
  readonly status: Child['status'] | 'stopped';
  /** How often this supervisor has started it again. */
  readonly restarts: number;
}

export interface Exited {
  readonly child: Child;
  readonly exit: Exit;
}

export interface ChildrenOptions {
  readonly clock: Clock;
  /** Told of every exit, also of those that were asked for. */
  readonly exited: (exited: Exited) => void;
  readonly leftBehind: (child: string) => void;
}

/** Throws ConfigurationError if two have the same id. */
export const refuseDuplicates = (specs: readonly ChildSpec[]): void => {
  const ids = specs.map(({ id }) => id);
  const twice = ids.filter((id, index) => ids.indexOf(id) !== index);
  if (twice.length > 0)
    throw new ConfigurationError(twice.map((id) => `two children of a supervisor are called "${id}"`));
};

export type ChildList = ReturnType<typeof childList>;

export const childList = (initial: readonly ChildSpec[], { clock, exited, leftBehind }: ChildrenOptions) => {
  let specs = [...initial];
  const alive = new Map<string, Child>();
  const restarts = new Map<string, number>();
  const leaving = new Set<Promise<void>>();

  const begin = (spec: ChildSpec): Child => {
    const child = launch(spec, clock);
    alive.set(spec.id, child);
    void child.exit.then((exit) => exited({ child, exit })); // An exit never rejects.
    return child;
  };

  const end = async (id: string): Promise<void> => {
    const child = alive.get(id);
    alive.delete(id);
    if (child && !(await child.stop())) leftBehind(id);
  };

  const forget = (spec: ChildSpec): void => {
    specs = specs.filter((other) => other !== spec);
    restarts.delete(spec.id);
  };

  return {
    specs: (): readonly ChildSpec[] => specs,
    find: (id: string): ChildSpec | undefined => specs.find((spec) => spec.id === id),
    /** Takes an exited child from the living; false if it is not among them, as it was stopped on purpose. */
    bury: (child: Child): boolean => alive.get(child.spec.id) === child && alive.delete(child.spec.id),
    forget,

    add: (spec: ChildSpec): Child => {
      refuseDuplicates([...specs, spec]);
      specs = [...specs, spec];
      return begin(spec);
    },

    /** One after the other; rejects with the first that fails to start, and starts no further one. */
    start: async (
      group: readonly ChildSpec[],
      signal: AbortSignal,
      started: (child: string) => void = () => {},
    ): Promise<void> => {
      for (const spec of group) {
        if (!specs.includes(spec)) continue; // It was removed while those before it started.
        await unlessAborted(signal, begin(spec).ready);
        started(spec.id);
      }
    },

    countRestart: (id: string): number => {
      const count = (restarts.get(id) ?? 0) + 1;
      restarts.set(id, count);
      return count;
    },

    stop: async (group: readonly ChildSpec[]): Promise<void> => {
      for (const { id } of group.toReversed()) await end(id);
    },

    /** Takes it out at once and stops it in its own time, so that a slow stop holds up no restart. */
    remove: (spec: ChildSpec): Promise<void> => {
      forget(spec);
      const gone = end(spec.id).finally(() => leaving.delete(gone));
      leaving.add(gone);
      return gone;
    },

    /** Those that were removed and have yet to end. */
    farewell: async (): Promise<void> => void (await Promise.all(leaving)),

    info: (): readonly ChildInfo[] =>
      specs.map(({ id, restart }) => ({
        id,
        restart,
        status: alive.get(id)?.status ?? 'stopped',
        restarts: restarts.get(id) ?? 0,
      })),
  };
};
