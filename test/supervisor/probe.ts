/** Children that do as the test tells them, and a diary of what happened to them. */
import type { Start } from '../../src/kernel/process.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import type { ChildSpec } from '../../src/supervisor/child.ts';
import { supervisor, type SupervisorEvent, type SupervisorSpec } from '../../src/supervisor/supervisor.ts';

export interface Probe {
  readonly spec: ChildSpec;
  /** Ends its latest incarnation. */
  readonly finish: () => void;
  readonly crash: (error?: unknown) => void;
  /** What its next starts throw, in order; then they succeed. */
  readonly failStarts: (...errors: readonly unknown[]) => void;
  /** It no longer stops when it is asked to. */
  readonly hang: () => void;
  /** Its starts no longer become ready. */
  readonly stall: () => void;
}

/** The child writes `+id` when it starts, `!id` when its start fails and `-id` when it stops. */
export const probe = (id: string, diary: string[], options: Partial<Omit<ChildSpec, 'id' | 'start'>> = {}): Probe => {
  const failures: unknown[] = [];
  let latest = Promise.withResolvers<void>();
  let stops = true;
  let stalls = false;

  const start: Start = async (signal) => {
    if (failures.length > 0) {
      diary.push(`!${id}`);
      throw failures.shift();
    }
    diary.push(`+${id}`);
    const life = Promise.withResolvers<void>();
    latest = life;
    const stop = (): void => {
      if (!stops) return;
      diary.push(`-${id}`);
      life.resolve();
    };
    // Aborts after its exit too: that is no stop, and by then resolving changes nothing.
    signal.addEventListener('abort', stop, { once: true });
    void life.promise.catch(() => {}).then(() => signal.removeEventListener('abort', stop));
    if (stalls) await new Promise(() => {});
    return { exit: life.promise };
  };

  return {
    spec: { id, start, restart: 'permanent', shutdownMs: 1_000, ...options },
    finish: () => latest.resolve(),
    crash: (error = new Error(`${id} crashed`)) => latest.reject(error),
    failStarts: (...errors) => void failures.push(...errors),
    hang: () => void (stops = false),
    stall: () => void (stalls = true),
  };
};

/** A supervisor at work on a virtual clock. */
export const supervise = (spec: Partial<SupervisorSpec> & Pick<SupervisorSpec, 'children'>) => {
  const clock = virtualClock();
  const events: SupervisorEvent[] = [];
  const abort = new AbortController();
  const subject = supervisor(
    { strategy: 'one_for_one', intensity: 5, periodMs: 10_000, ...spec },
    { clock, onEvent: (event) => void events.push(event) },
  );
  return {
    ...subject,
    clock,
    events,
    signal: abort.signal,
    /** Of these types, as `type child`. */
    told: (...types: readonly SupervisorEvent['type'][]): readonly string[] =>
      events.filter(({ type }) => types.includes(type)).map(({ type, child }) => `${type} ${child}`),
    stop: () => abort.abort(),
    run: () => subject.start(abort.signal),
  };
};
