/** One client's end of its link: whether it is connected, and who has to know of it. */
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import type { Connection } from '../bus.ts';
import type { Faults } from './faults.ts';
import { type Link, link, type Watch } from './link.ts';
import { ask, type Question } from './question.ts';
import type { Server } from './server.ts';

export interface Attached {
  /** The link is gone, perhaps for good. */
  lost?(): void;
  /** There is a new one. */
  back?(): void;
}

export interface CallOptions {
  readonly timeoutMs?: number | undefined;
  readonly fault?: 'lose_and_time_out' | 'succeed_and_time_out' | undefined;
  /** Writes are taken in a turn after they arrive; reads are not, and may overtake them. */
  readonly write?: boolean;
}

export interface Client {
  readonly clock: Clock;
  readonly random: Random;
  readonly faults: Faults;
  readonly server: Server;
  readonly link: Link;
  readonly state: Connection;
  readonly attached: Set<Attached>;
  /** Hands an operation to the broker a turn after it arrived. */
  later(run: () => void): void;
  ask<T>(question: Question<T>): Promise<T>;
  /** Has the broker run `run`, and waits for what that returns or throws. */
  call<T>(what: string, run: () => T, options?: CallOptions): Promise<T>;
  listen(listener: (state: Connection) => void): () => void;
  cut(): void;
  heal(): void;
  close(): void;
}

export interface ClientParts extends Pick<Client, 'clock' | 'random' | 'faults' | 'server' | 'later'> {
  readonly watch: Watch;
  /** Whether the broker can be reached at all. */
  readonly reachable: () => boolean;
}

export const client = ({ watch, reachable, ...parts }: ClientParts): Client => {
  const { clock, faults } = parts;
  const wire = link(clock, watch);
  const attached = new Set<Attached>();
  const listeners = new Set<(state: Connection) => void>();
  let state: Connection = 'connected';

  const become = (next: Connection): void => {
    if (state === next || state === 'closed') return;
    state = next;
    if (next === 'connected') wire.mend();
    else wire.cut();
    for (const each of [...attached]) {
      if (next === 'connected') each.back?.();
      else each.lost?.();
    }
    for (const listener of [...listeners]) clock.immediate(() => listeners.has(listener) && listener(next));
  };

  const heal = (): void => {
    if (reachable()) become('connected');
  };

  const cutByFault = (): void => {
    const ms = state === 'connected' ? faults.cutMs() : undefined;
    if (ms === undefined) return;
    clock.immediate(() => become('disconnected'));
    clock.timer(ms, heal);
  };

  const made: Client = {
    ...parts,
    link: wire,
    attached,
    get state() {
      return state;
    },
    ask: (question) => {
      cutByFault();
      return ask(made, question);
    },
    call: (what, run, { timeoutMs, ...options } = {}) =>
      made.ask({
        what,
        timeoutMs,
        prompt: true,
        send: ({ resolve, reject }) => call(made, run, { ...options, resolve, reject }),
      }),
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    cut: () => become('disconnected'),
    heal,
    close: () => become('closed'),
  };
  return made;
};

interface Calling<T> extends CallOptions {
  resolve(value: T): void;
  reject(error: unknown): void;
}

const call = <T>({ link: wire, later }: Client, run: () => T, { fault, write, resolve, reject }: Calling<T>): void => {
  const answer = (settle: () => void): void => {
    if (fault === undefined) wire.receive(settle);
  };
  const attempt = (): void => {
    try {
      const value = run();
      answer(() => resolve(value));
    } catch (error) {
      answer(() => reject(error));
    }
  };
  if (fault !== 'lose_and_time_out') wire.send(() => (write ? later(attempt) : attempt()));
};
