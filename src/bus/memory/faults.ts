/** What goes wrong between a client and the broker: now and then, drawn from the seed, or once, when a test asks for it. */
import type { Random } from '../../kernel/random.ts';
import { matches } from './matching.ts';

export interface FaultKinds {
  /** To a stream. `refuse`: `UnavailableError`, not stored. */
  readonly publish: 'lose_and_time_out' | 'succeed_and_time_out' | 'refuse';
  readonly ack: 'lose';
  /** The same message is handed out again while the first delivery is still being worked on. */
  readonly deliver: 'duplicate';
  /** `stale`: `lastOfEach` answers from before the last write to each subject. `lose_and_time_out`: any read. */
  readonly read: 'stale' | 'lose_and_time_out';
  /** Core messages, published or asked. */
  readonly message: 'lose';
  /** Written under this name: `RefusedError`, as if the bucket were full. */
  readonly blob: 'refuse';
}

export type FaultOperation = keyof FaultKinds;

/** The share of operations that go wrong, 0 to 1; each 0 unless given. */
export interface FaultRates {
  readonly lostPublish?: number;
  readonly unansweredPublish?: number;
  readonly refusedPublish?: number;
  readonly lostAck?: number;
  readonly duplicateDelivery?: number;
  readonly staleRead?: number;
  readonly lostRead?: number;
  readonly lostMessage?: number;
  /** The connection is cut for 0 to 5 s, in the middle of whatever goes on. */
  readonly cut?: number;
}

export interface FaultTarget {
  /** Only an operation on such a subject; wildcards allowed. */
  readonly subject?: string;
  /** So many in a row; 1. */
  readonly times?: number;
}

export interface Faults {
  setRates(rates: FaultRates): void;
  next<O extends FaultOperation>(operation: O, fault: FaultKinds[O], target?: FaultTarget): void;
  /** What happens to this operation, if anything does. */
  draw<O extends FaultOperation>(operation: O, subject: string): FaultKinds[O] | undefined;
  /** How long the connection is to be cut now, if it is. */
  cutMs(): number | undefined;
}

interface Armed<O extends FaultOperation> {
  readonly fault: FaultKinds[O];
  readonly subject: string;
  left: number;
}

type Rated = { readonly [O in FaultOperation]: readonly (readonly [keyof FaultRates, FaultKinds[O]])[] };

const rated: Rated = {
  publish: [
    ['lostPublish', 'lose_and_time_out'],
    ['unansweredPublish', 'succeed_and_time_out'],
    ['refusedPublish', 'refuse'],
  ],
  ack: [['lostAck', 'lose']],
  deliver: [['duplicateDelivery', 'duplicate']],
  read: [
    ['staleRead', 'stale'],
    ['lostRead', 'lose_and_time_out'],
  ],
  message: [['lostMessage', 'lose']],
  blob: [],
};

export const faults = (random: Random, initial: FaultRates): Faults => {
  let rates = initial;
  const armed: { readonly [O in FaultOperation]: Armed<O>[] } = {
    publish: [],
    ack: [],
    deliver: [],
    read: [],
    message: [],
    blob: [],
  };

  const once = <O extends FaultOperation>(operation: O, subject: string): FaultKinds[O] | undefined => {
    const waiting: Armed<O>[] = armed[operation];
    const at = waiting.findIndex((each) => matches(each.subject, subject));
    const found = waiting[at];
    if (!found) return undefined;
    found.left -= 1;
    if (found.left <= 0) waiting.splice(at, 1);
    return found.fault;
  };

  // Nothing is drawn where nothing can happen, so that faults switched off leave the seed's sequence alone.
  const happens = (rate: number | undefined): boolean => rate !== undefined && rate > 0 && random.next() < rate;

  return {
    setRates: (next) => {
      rates = next;
    },
    next: (operation, fault, { subject = '>', times = 1 } = {}) => {
      armed[operation].push({ fault, subject, left: times });
    },
    draw: (operation, subject) =>
      once(operation, subject) ?? rated[operation].find(([rate]) => happens(rates[rate]))?.[1],
    cutMs: () => (happens(rates.cut) ? Math.ceil(random.next() * 5_000) : undefined),
  };
};
