/** One limiter's mind: takes lists and fates in, says what to grant, what slice to take, and when to look again. */
import type { Budget } from '../budget.ts';
import type { InheritedSlice } from './inherited.ts';
import type { KeptSlice } from './key.ts';
import { type Held, ledger } from './ledger.ts';
import { lists } from './waiting.ts';
import type { Acquire, Grants, Settle, Settled } from '../messages.ts';
import { later, permitIdOf, permitText } from '../permit-id.ts';
import type { Slice } from './slices.ts';
import { penalty } from './penalty.ts';

export interface Answer {
  readonly reply: string;
  readonly grants: Grants;
}

/** What is to be done now. */
export interface Work {
  readonly answers: readonly Answer[];
  /** To be written to the key; then `opened`. */
  readonly take: Slice | undefined;
  /** When to look again, if nothing happens before; Infinity if nothing will by itself. */
  readonly againAtMs: number;
}

export interface Status {
  readonly waiting: number;
  readonly clients: number;
  /** Calls that may be going on. */
  readonly active: number;
  /** Of these, where the budget counts them: whose process may be gone. */
  readonly held?: Held;
  /** Permits of which nobody has told anything. */
  readonly unconfirmed: number;
  readonly closedMs: number;
  readonly windows: readonly {
    readonly unit: string;
    readonly limit: number;
    readonly perMs: number;
    readonly used: number;
  }[];
}

export interface Grantor {
  list(list: Acquire, reply: string | undefined, nowMs: number): void;
  /** Answers which permits are unknown, and how many were late. */
  settle(told: Settle, nowMs: number): Settled & { readonly late: number };
  penalize(forMs: number, nowMs: number): void;
  /** `mayTake`: whether a slice can be written now. */
  work(nowMs: number, mayTake: boolean): Work;
  opened(slice: Slice): void;
  /** What a successor has to count. */
  kept(nowMs: number): readonly KeptSlice[];
  closedMs(nowMs: number): number;
  status(nowMs: number): Status;
}

export interface GrantorOptions {
  readonly budget: Budget;
  readonly epoch: number;
  readonly inherited: readonly InheritedSlice[];
  readonly closedMs: number;
  readonly nowMs: number;
}

export const grantor = (options: GrantorOptions): Grantor => {
  const { budget, epoch } = options;
  const account = ledger(options);
  const closed = penalty(options.nowMs + options.closedMs);
  let nowMs = options.nowMs;
  /** Of its answers. */
  let seq = 0;
  const { queue, clients, ...waiting } = lists({
    costOf: account.costOf,
    objection: (amount) => {
      const unit = account.excess(amount);
      return (
        unit && `budget "${budget.name}" allows ${account.windows.limits[unit]} ${unit}; this asks for ${amount[unit]}`
      );
    },
    lost: (permit) => void account.settle(permit, { type: 'unsent' }, nowMs),
    // Renewed every quarter of a permit's life. What is left of that has to last for the way there.
    freshMs: account.timing.permitMs * 0.6,
  });

  const hasRoomForCall = (): boolean => budget.concurrent === undefined || account.active() < budget.concurrent;

  /** Grants as long as it can; answers the slice that it needs to go on. */
  const grant = (mayTake: boolean): Slice | undefined => {
    for (let head = queue.head(); head && hasRoomForCall(); head = queue.head()) {
      const permit = account.grant(head, nowMs);
      if (permit === undefined) return mayTake ? account.reserve(head.amount, nowMs) : undefined;
      waiting.granted(head, permit);
    }
    return undefined;
  };

  const answers = (): readonly Answer[] => {
    const all: Answer[] = [];
    for (const client of clients.values()) {
      if (!client.owed) continue;
      const { n, reply, refused } = client;
      const grants = client.grants.map(({ permit, ...those }) => ({ ...those, permit: permitText(permit) }));
      Object.assign(client, { owed: false, grants: [], refused: [] });
      if (reply === undefined) continue;
      seq += 1;
      const said = { epoch, seq, n, grants, refused, waiting: queue.size(), closedMs: closed.leftMs(nowMs) };
      all.push({ reply, grants: said });
    }
    return all;
  };

  const againAtMs = (): number => {
    if (queue.size() === 0) return account.nextMs();
    return Math.min(account.nextMs(), closed.leftMs(nowMs) > 0 ? closed.untilMs() : Number.POSITIVE_INFINITY);
  };

  return {
    list: waiting.receive,
    settle: ({ client, permits }, now) => {
      nowMs = now;
      const unknown: string[] = [];
      let late = 0;
      for (const fate of permits) {
        const first = permitIdOf(fate.permit);
        for (let place = 0; place < fate.count; place += 1) {
          const id = later(first, place);
          const told = account.settle(id, fate, now, client);
          if (told === 'unknown') unknown.push(permitText(id));
          else if (told === 'late') late += 1;
        }
      }
      return { unknown, late };
    },
    penalize: (forMs, now) => closed.extend(now + forMs),
    work: (now, mayTake) => {
      nowMs = now;
      account.advance(now);
      waiting.expire(now);
      const take = closed.leftMs(now) > 0 ? undefined : grant(mayTake);
      return { answers: answers(), take, againAtMs: againAtMs() };
    },
    opened: account.opened,
    kept: account.kept,
    closedMs: closed.leftMs,
    status: (now) => ({
      waiting: queue.size(),
      clients: clients.size,
      active: account.active(),
      ...(budget.concurrent !== undefined && { held: account.held(now) }),
      unconfirmed: account.unconfirmed(),
      closedMs: closed.leftMs(now),
      windows: account.windows.counts.map(({ window, total }) => ({ ...window, used: total() })),
    }),
  };
};
