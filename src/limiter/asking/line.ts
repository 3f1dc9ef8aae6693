/**
 * Those of one process that wait for permits of one budget. The limiter's queue is the latest list of each client, so the
 * whole list is sent again every D/4 while anybody waits: a limiter that has just taken over has its queue back at once, and
 * who gives up just vanishes from the list. Who joins in between is told of at the end of the tick.
 */
import type { Bus, Message } from '../../bus/bus.ts';
import { decodeAs, encodeJson } from '../../bus/json.ts';
import { subjects } from '../../bus/subjects.ts';
import type { Clock } from '../../kernel/clock.ts';
import { LimiterTimeoutError, NonRetryableError, PayloadTooLargeError } from '../../kernel/errors.ts';
import type { Log } from '../../kernel/log.ts';
import { aborts } from './aborts.ts';
import { answersHeard, chosen, lists, type Waiting, wishes } from './lists.ts';
import { type Acquire, type Grants, grants, type Refusal } from '../messages.ts';
import { later, type PermitId, permitIdOf } from '../permit-id.ts';
import type { Permit, PermitWait, Wanted } from '../permits.ts';
import { patience } from './patience.ts';
import { renewals } from './renewals.ts';
import { row } from './row.ts';
import { type Answer, whyNot } from './why.ts';

export interface Line {
  /** Calls back with a permit, or with why there is none. */
  join(wanted: Wanted, granted: (permit: Permit) => void, failed: (error: unknown) => void): void;
  /** Sends the list now: there is a connection again. */
  renew(): void;
  /** How long the first of this task's requests has waited, and why; undefined if none does. */
  waitOf(recordKey: string): Pick<PermitWait, 'waitedMs' | 'why'> | undefined;
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
  unused(permit: PermitId, stale: boolean): void;
  granted(permit: PermitId, wanted: Wanted, times: { readonly untilMs: number; readonly waitedMs: number }): Permit;
  timedOut(waitedMs: number): void;
}

interface Waiter extends Waiting {
  readonly granted: (permit: Permit) => void;
  readonly failed: (error: unknown) => void;
  /** When its patience is over, by the monotonic clock. */
  readonly untilMs: number;
}

/** Others have their turn when these have theirs. */
const mostListed = 1_000;

export const line = (options: LineOptions): Line => {
  const { bus, clock, log, client, budget, permitMs, inbox, unused } = options;
  const waiting = row<Waiter>();
  const sent = lists(permitMs);
  const subject = subjects.limiter(budget, 'acquire');
  let count = 0;
  let answer: Answer | undefined;
  const heard = answersHeard();
  let emptied = (): void => {};
  /** Since the last list. */
  let joined: Waiter[] = [];

  const publish = (what: 'all' | 'joined'): void => {
    if (bus.connection !== 'connected') return;
    const adds = what === 'joined' && joined.length <= mostListed;
    const listed = adds ? joined : waiting.all;
    joined = [];
    // A permit's life counts from here: before anything of the list can have left.
    const nowMs = clock.monotonic();
    const list = sent.next(nowMs, adds);
    for (let most = mostListed; ; most = Math.floor(most / 2)) {
      const body = { client, ...list, adds, waiting: wishes(chosen(listed, most), nowMs) } satisfies Acquire;
      try {
        return bus.publish(subject, encodeJson(body), { reply: inbox });
      } catch (error) {
        if (error instanceof PayloadTooLargeError && most > 1) continue;
        return log.debug({ err: error, budget }, 'a list of those that wait was not sent');
      }
    }
  };

  const renewal = renewals({ clock, everyMs: permitMs / 4, size: () => waiting.all.length, send: publish });

  const leave = (id: number): Waiter | undefined => {
    const waiter = waiting.take(id);
    if (!waiter) return undefined;
    aborted.remove(waiter.wanted.signal, id);
    if (waiting.all.length > 0) return waiter;
    renewal.stop();
    deadlines.stop();
    return waiter;
  };

  /** Without a permit. The others' next list says so; without others it takes a list of its own. */
  const giveUp = (id: number, error: unknown): void => {
    leave(id)?.failed(error);
    sent.gaveUp();
    if (waiting.all.length === 0) renewal.soon();
  };

  const aborted = aborts(giveUp);
  const deadlines = patience(
    clock,
    () => waiting.all,
    (waiter: Waiter) => giveUp(waiter.id, timeout(waiter)),
  );

  const grant = (id: number, permit: PermitId, untilMs: number | undefined, nowMs: number): void => {
    const waiter = waiting.find(id);
    if (!waiter || untilMs === undefined || nowMs > untilMs) return unused(permit, waiter !== undefined);
    leave(id);
    waiter.granted(options.granted(permit, waiter.wanted, { untilMs, waitedMs: nowMs - waiter.sinceMs }));
  };

  const grantAll = ({ n, grants: all }: Grants): void => {
    const untilMs = sent.untilMs(n);
    const nowMs = clock.monotonic();
    for (const { id, permit, count: some } of all) {
      const first = permitIdOf(permit);
      for (let place = 0; place < some; place += 1) grant(id + place, later(first, place), untilMs, nowMs);
    }
  };

  const refuse = ({ id, message }: Refusal): void => leave(id)?.failed(new NonRetryableError(message));

  const subscription = bus.subscribe(inbox, ({ data }: Message) => {
    // A server's word that nobody listens is empty.
    const said = decodeAs(grants, data);
    if (!said || !heard.isNew(said)) return;
    answer = { atMs: clock.monotonic(), waiting: said.waiting, closedMs: said.closedMs };
    grantAll(said);
    for (const each of said.refused) refuse(each);
    sent.answered(said.n);
    if (!sent.mayCome()) emptied();
  });

  const why = ({ sinceMs }: Waiter): string =>
    whyNot({ connected: bus.connection === 'connected', answer, sinceMs, nowMs: clock.monotonic() });

  const timeout = (waiter: Waiter): LimiterTimeoutError => {
    options.timedOut(clock.monotonic() - waiter.sinceMs);
    const withinMs = Math.round(waiter.wanted.maxWaitMs);
    return new LimiterTimeoutError(`no permit of budget "${budget}" within ${withinMs} ms: ${why(waiter)}`);
  };

  const join: Line['join'] = (wanted, granted, failed) => {
    count += 1;
    const id = count;
    const sinceMs = clock.monotonic();
    const waiter = { id, wanted, sinceMs, untilMs: sinceMs + wanted.maxWaitMs, granted, failed };
    waiting.join(waiter);
    aborted.add(wanted.signal, id);
    deadlines.watch(waiter);
    joined.push(waiter);
    renewal.soon();
  };

  return {
    join,
    renew: renewal.now,
    waitOf: (recordKey) => {
      const waiter = waiting.all.find(({ wanted }) => wanted.tasks?.includes(recordKey));
      return waiter && { waitedMs: Math.round(clock.monotonic() - waiter.sinceMs), why: why(waiter) };
    },
    get oldestMs() {
      return waiting.all[0]?.sinceMs;
    },
    empty: (reason) => {
      renewal.close();
      for (const { id } of [...waiting.all]) giveUp(id, reason);
      if (!sent.mayCome()) return Promise.resolve();
      publish('all');
      return new Promise((resolve) => {
        emptied = resolve;
      });
    },
    close: () => subscription.unsubscribe(),
  };
};
