/** What all parts of one client share. */
import { UnavailableError } from '../kernel/errors.ts';
import { linked } from '../kernel/signal.ts';
import type { TaskPorts } from '../task/ports.ts';
import type { Ends } from '../task/ends.ts';
import type { TaskStatus } from '../task/status.ts';
import type { Ingress } from './ingress.ts';

export type ClientPorts = Pick<TaskPorts, 'bus' | 'queue' | 'blobs' | 'clock' | 'random' | 'log' | 'region'>;

export interface Core {
  readonly ports: ClientPorts & Pick<TaskPorts, 'records'>;
  readonly doors: Ingress;
  readonly waits: Ends;
  /** Where a task is; `undefined` where nobody knows it. */
  readonly find: (recordKey: string) => Promise<TaskStatus | undefined>;
  /** A signal that aborts with the client's end, with one of `also`, or when `end` is called: call it in any case. */
  readonly life: (...also: readonly (AbortSignal | undefined)[]) => Life;
  /** Throws `closed()` after the client's end; so does `life`. */
  readonly alive: () => void;
}

export interface Life {
  readonly signal: AbortSignal;
  end(): void;
}

export const closed = (): UnavailableError => new UnavailableError('the client is closed');

/** All that goes on in a client, to be ended together. */
export const lives = () => {
  const open = new Set<AbortController>();
  let over = false;
  const alive = (): void => {
    if (over) throw closed();
  };
  return {
    alive,
    life: (...also: readonly (AbortSignal | undefined)[]): Life => {
      alive();
      const controller = linked(...also);
      open.add(controller);
      const end = (): void => {
        open.delete(controller);
        controller.abort();
      };
      return { signal: controller.signal, end };
    },
    endAll: (): void => {
      over = true;
      for (const controller of open) controller.abort(closed());
      open.clear();
    },
  };
};
