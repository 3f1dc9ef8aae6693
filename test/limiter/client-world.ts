/** A limiter of few words: it notes what it is told, and answers what the test has it answer. */
import { onTestFinished } from 'vitest';
import type { z } from 'zod';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import { amountOf, type Budget } from '../../src/limiter/budget.ts';
import { permits } from '../../src/limiter/client.ts';
import {
  type Acquire,
  acquire,
  type Grants,
  penalize,
  type Settle,
  settle,
  type Wish,
  type Word,
} from '../../src/limiter/messages.ts';
import { later, permitIdOf, permitText } from '../../src/limiter/permit-id.ts';
import type { Permit, Wanted } from '../../src/limiter/permits.ts';
import { silentLog as log } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';

/** D is 500 ms, so a list is renewed every 125 ms. */
export const openai: Budget = { name: 'openai', windows: [{ unit: 'tokens', limit: 10_000, perMs: 60_000 }] };

const parse = <Schema extends z.ZodType>(schema: Schema, data: Uint8Array): z.output<Schema> =>
  schema.parse(JSON.parse(new TextDecoder().decode(data)));
const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

export const permitIds = (...numbers: readonly number[]): readonly string[] => numbers.map((n) => `1.1.${n}`);

/** Each by itself, whatever was said of several at once. */
type Fate = Word & { readonly permit: string };
const each = (fates: Settle['permits']): readonly Fate[] =>
  fates.flatMap(({ permit, count, ...word }) =>
    Array.from({ length: count }, (_, place) => ({ ...word, permit: permitText(later(permitIdOf(permit), place)) })),
  );
const eachWish = (wishes: readonly Wish[]) =>
  wishes.flatMap(({ id, count, ...wish }) =>
    Array.from({ length: count }, (_, place) => ({ ...wish, id: id + place })),
  );

interface Heard extends Omit<Acquire, 'waiting'> {
  readonly waiting: ReturnType<typeof eachWish>;
  /** As they were said. */
  readonly said: readonly Wish[];
}

interface Said extends Omit<Partial<Grants>, 'grants'> {
  readonly grants?: readonly { readonly id: number; readonly permit: string; readonly count?: number }[];
}

export const world = (budget: Budget = openai) => {
  const clock = virtualClock();
  const random = seededRandom(1);
  const broker = memoryBroker({ clock, random });
  const metrics = createMetrics();
  const [connection, limiter] = [broker.connect(), broker.connect().bus];
  const client = permits({
    bus: connection.bus,
    clock,
    random,
    log,
    metrics,
    budgets: new Map([[budget.name, budget]]),
  });

  const lists: Heard[] = [];
  const fates: Fate[] = [];
  const batches: (readonly Fate[])[] = [];
  const words: Settle['permits'] = [];
  const penalties: unknown[] = [];
  let inbox = '';
  /** Permits that it does not know. */
  let unknown: readonly string[] = [];
  let settling = true;

  limiter.subscribe(`limiter.${budget.name}.acquire`, ({ data, reply = '' }) => {
    const list = parse(acquire, data);
    lists.push({ ...list, waiting: eachWish(list.waiting), said: list.waiting });
    inbox = reply;
  });
  limiter.subscribe(`limiter.${budget.name}.settle`, ({ data, reply = '' }) => {
    const told = parse(settle, data).permits;
    batches.push(each(told));
    if (!settling) return;
    words.push(...told);
    fates.push(...each(told));
    limiter.publish(reply, encode({ unknown }));
  });
  limiter.subscribe(`limiter.${budget.name}.penalize`, ({ data, reply = '' }) => {
    penalties.push(parse(penalize, data));
    limiter.publish(reply, encode({}));
  });

  let seq = 0;
  const answer = (said: Said): Promise<void> => {
    const n = lists.at(-1)?.n ?? 0;
    seq += 1;
    limiter.publish(inbox, encode({ epoch: 1, seq, n, grants: [], refused: [], waiting: 0, closedMs: 0, ...said }));
    return clock.settle();
  };

  const life = new AbortController();
  const ask = (wanted: Partial<Wanted> = {}): Promise<Permit> => {
    const usual = { amount: amountOf(100, 50), lane: 'normal', tenant: '', maxWaitMs: 10_000, holdMs: 60_000 } as const;
    const asked = client.acquire(budget.name, { ...usual, signal: life.signal, ...wanted });
    asked.catch(() => {}); // Whoever expects it to fail looks later.
    return asked;
  };

  onTestFinished(async () => {
    settling = true;
    const closed = client.close();
    await clock.advance(5_000);
    await closed;
  });

  return {
    clock,
    broker,
    connection,
    metrics,
    client,
    lists,
    /** What it has been told, and has answered. */
    fates,
    /** The same, as it was said. */
    words,
    /** What it has been told, answered or not. */
    batches,
    penalties,
    answer,
    ask,
    /** The names in the latest list. */
    waiting: (): readonly number[] => lists.at(-1)?.waiting.map(({ id }) => id) ?? [],
    /** Asks for one permit, and is granted it. */
    granted: async (permit: string, wanted: Partial<Wanted> = {}): Promise<Permit> => {
      const asked = ask(wanted);
      await clock.settle();
      const id = lists.at(-1)?.waiting.at(-1)?.id ?? 0;
      await answer({ grants: [{ id, permit }] });
      return asked;
    },
    answersFates: (answers: boolean): void => {
      settling = answers;
    },
    forget: (ids: readonly string[]): void => {
      unknown = ids;
    },
  };
};
