/**
 * Those of one process that wait for permits of one budget. The limiter's queue is the latest list of each client, so the
 * whole list is sent again every D/4 while anybody waits: a limiter that has just taken over has its queue back at once, and
 * who gives up just vanishes from the list. Who joins in between is told of at the end of the tick.
 */
import type { Bus, Message } from '../../bus/bus.ts';
import { subjects } from '../../bus/subjects.ts';
import type { Clock } from '../../kernel/clock.ts';
import { LimiterTimeoutError, NonRetryableError, PayloadTooLargeError } from '../../kernel/errors.ts';
import type { Log } from '../../kernel/log.ts';
import { decode, encode } from './json.ts';
import { chosen, lists, type Waiting, wish } from './lists.ts';
import { type Acquire, type Grants, grants, type Refusal } from '../messages.ts';
import type { Permit, Wanted } from '../permits.ts';
import { renewals } from './renewals.ts';
import { type Answer, whyNot } from './why.ts';

export interface Line {
  wait(wanted: Wanted): Promise<Permit>;
  /** Sends the list now: there is a connection again. */
  renew(): void;
  /** Since when the first of those that wait has waited; undefined if nobody does. */
  readonly oldestMs: number | undefined;
  /**
   * Nobody waits any more: all are rejected with `reason`. Resolves when the limiter has heard that, and what it had
   * granted before is here to be returned.
   */
  empty(reason: Error): Promise<void>;
  /** Hears no more. */
  close(): void;
}

export interface LineOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Log;
  readonly client: string;
  readonly budget: string;
  readonly permitMs: number;
  /** Where answers come to. */
  readonly inbox: string;
  /** A grant that nobody can use: `stale` if somebody waits for it, but it came too late. */
  unused(permit: string, stale: boolean): void;
  /** Makes the permit: in the same turn, so that the same grant coming again finds it. */
  granted(permit: string, wanted: Wanted, times: { readonly untilMs: number; readonly waitedMs: number }): Permit;
  timedOut(waitedMs: number): void;
}

interface Waiter extends Waiting {
  granted(permit: Permit): void;
  failed(error: unknown): void;
}

/** Others have their turn when these have theirs. */
const mostListed = 1_000;
export const line = (options: LineOptions): Line => {
  const { bus, clock, log, client, budget, permitMs, inbox, unused } = options;
  const waiting = new Map<string, Waiter>();
  const sent = lists(permitMs);
  const subject = subjects.limiter(budget, 'acquire');
  let count = 0;
  let answer: Answer | undefined;
  let answered = (): void => {};
  /** Since the last list. */
  let joined: Waiter[] = [];

  const publish = (what: 'all' | 'joined'): void => {
    if (bus.connection !== 'connected') return;
    const adds = what === 'joined' && joined.length <= mostListed;
    const listed = adds ? new Map(joined.map((each) => [each.id, each])) : waiting;
    joined = [];
    // A permit's life counts from here: before anything of the list can have left.
    const nowMs = clock.monotonic();
    const list = sent.next(nowMs, adds);
    for (let most = mostListed; ; most = Math.floor(most / 2)) {
      const wishes = chosen(listed, most).map((each) => wish(each, nowMs));
      try {
        return bus.publish(subject, encode({ client, ...list, adds, waiting: wishes } satisfies Acquire), {
          reply: inbox,
        });
      } catch (error) {
        if (error instanceof PayloadTooLargeError && most > 1) continue;
        return log.debug({ err: error, budget }, 'a list of those that wait was not sent');
      }
    }
  };

  const renewal = renewals({ clock, everyMs: permitMs / 4, size: () => waiting.size, send: publish });

  const leave = (id: string): Waiter | undefined => {
    const waiter = waiting.get(id);
    waiting.delete(id);
    if (waiting.size === 0) renewal.stop();
    return waiter;
  };

  /** Without a permit. The others' next list says so; without others it takes a list of its own. */
  const giveUp = (id: string, error: unknown): void => {
    leave(id)?.failed(error);
    sent.gaveUp();
    if (waiting.size === 0) renewal.soon();
  };

  const grant = ({ id, permit }: Grants['grants'][number], untilMs: number | undefined): void => {
    const nowMs = clock.monotonic();
    const waiter = waiting.get(id);
    if (!waiter || untilMs === undefined || nowMs > untilMs) return unused(permit, waiter !== undefined);
    leave(id)?.granted(options.granted(permit, waiter.wanted, { untilMs, waitedMs: nowMs - waiter.sinceMs }));
  };

  const refuse = ({ id, code, message }: Refusal): void => {
    leave(id)?.failed(code === 'too_large' ? new NonRetryableError(message) : new LimiterTimeoutError(message));
  };

  const subscription = bus.subscribe(inbox, ({ data }: Message) => {
    // A server's word that nobody listens is empty.
    const said = decode(grants, data);
    if (!said) return;
    answer = { atMs: clock.monotonic(), waiting: said.waiting, closedMs: said.closedMs };
    const untilMs = sent.untilMs(said.n);
    for (const each of said.grants) grant(each, untilMs);
    for (const each of said.refused) refuse(each);
    sent.answered(said.n);
    if (!sent.mayCome()) answered();
  });

  const timeout = (maxWaitMs: number, sinceMs: number): LimiterTimeoutError => {
    options.timedOut(clock.monotonic() - sinceMs);
    const why = whyNot({ connected: bus.connection === 'connected', answer, sinceMs, nowMs: clock.monotonic() });
    return new LimiterTimeoutError(`no permit of budget "${budget}" within ${Math.round(maxWaitMs)} ms: ${why}`);
  };

  const wait = (wanted: Wanted): Promise<Permit> =>
    new Promise((resolve, reject) => {
      count += 1;
      const id = count.toString(36);
      const sinceMs = clock.monotonic();
      const gaveUp = (error: unknown): void => giveUp(id, error);
      const done = patience(clock, wanted, gaveUp, () => gaveUp(timeout(wanted.maxWaitMs, sinceMs)));
      const granted = (permit: Permit): void => {
        done();
        resolve(permit);
      };
      const failed = (error: unknown): void => {
        done();
        reject(error);
      };
      const waiter = { id, wanted, sinceMs, granted, failed };
      waiting.set(id, waiter);
      joined.push(waiter);
      renewal.soon();
    });

  return {
    wait,
    renew: renewal.now,
    get oldestMs() {
      const [first] = waiting.values();
      return first?.sinceMs;
    },
    empty: (reason) => {
      renewal.close();
      for (const id of [...waiting.keys()]) giveUp(id, reason);
      if (!sent.mayCome()) return Promise.resolve();
      publish('all');
      return new Promise((resolve) => {
        answered = resolve;
      });
    },
    close: () => subscription.unsubscribe(),
  };
};

type Patience = Pick<Wanted, 'signal' | 'maxWaitMs'>;

/** Until it is called back. */
const patience = (
  clock: Clock,
  { signal, maxWaitMs }: Patience,
  gaveUp: (reason: unknown) => void,
  over: () => void,
) => {
  const abort = (): void => gaveUp(signal.reason);
  const deadline = clock.timer(maxWaitMs, over);
  signal.addEventListener('abort', abort, { once: true });
  return (): void => {
    deadline.cancel();
    signal.removeEventListener('abort', abort);
  };
};
