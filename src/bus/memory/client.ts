/**
 * One client's end of its link. What is asked while the link is cut waits for the next one; what had been asked
 * before the cut will get no answer any more, so whether it was done is unknown.
 */
import type { Clock } from '../../kernel/clock.ts';
import { TimeoutError, UnavailableError } from '../../kernel/errors.ts';
import type { Random } from '../../kernel/random.ts';
import type { Connection } from '../bus.ts';
import type { Faults } from './faults.ts';
import { type Link, link, type Watch } from './link.ts';
import type { Server } from './server.ts';

export interface Attached {
  /** The link is gone, perhaps for good. */
  lost?(): void;
  /** There is a new one. */
  back?(): void;
}

export interface Question<T> {
  /** For the errors, such as `publish to "tasks.a"`. */
  readonly what: string;
  /** 5,000 */
  readonly timeoutMs?: number | undefined;
  /** The answer comes from the broker itself: with the link its chance is gone. */
  readonly prompt: boolean;
  send(answer: { resolve(value: T): void; reject(error: unknown): void }): void;
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
  const { clock, faults, later } = parts;
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
    const ms = faults.cutMs();
    if (ms === undefined || state !== 'connected') return;
    clock.immediate(() => become('disconnected'));
    clock.timer(ms, heal);
  };

  const ask = <T>({ what, timeoutMs = 5_000, prompt, send }: Question<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      if (state === 'closed') return reject(new UnavailableError(`${what}: the connection is closed`));
      let sent = false;
      const over = (): void => {
        attached.delete(attach);
        timeout.cancel();
      };
      const fail = (why: string): void => {
        over();
        const text = `${what}: ${why}`;
        reject(sent ? new TimeoutError(`${text}; whether it was done is unknown`) : new UnavailableError(text));
      };
      const resolved = (value: T): void => {
        over();
        resolve(value);
      };
      const rejected = (error: unknown): void => {
        over();
        reject(error);
      };
      const attach: Attached = {
        lost: () => {
          if (state === 'closed' || (sent && prompt)) fail('the connection was lost before the answer');
        },
        back: () => {
          if (sent) return;
          sent = true;
          send({ resolve: resolved, reject: rejected });
        },
      };
      const timeout = clock.timer(timeoutMs, () => fail(`no answer in ${timeoutMs} ms`));
      attached.add(attach);
      cutByFault();
      if (state === 'connected') attach.back?.();
    });

  const call: Client['call'] = (what, run, { timeoutMs, fault, write = false } = {}) =>
    ask({
      what,
      timeoutMs,
      prompt: true,
      send: ({ resolve, reject }) => {
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
      },
    });

  return {
    ...parts,
    link: wire,
    attached,
    get state() {
      return state;
    },
    ask,
    call,
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    cut: () => become('disconnected'),
    heal,
    close: () => become('closed'),
  };
};
