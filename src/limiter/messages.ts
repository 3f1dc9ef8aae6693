/**
 * What clients and a budget's limiter say to each other, as JSON on `limiter.<budget>.<verb>`. All times are durations:
 * no clock of one process means anything to another. Of what is said of several in a row alike, it is said once, with
 * their `count`: a batch of equal requests is a few bytes, not a few hundred each.
 */
import { z } from 'zod';
import { lanes } from '../bus/subjects.ts';

const count = z.number().min(0).max(1e12);
/** Nobody waits, or calls, for longer. */
export const longestMs = 7 * 86_400_000;
const ms = z.number().min(0).max(longestMs);
const name = z.string().min(1).max(256);
/** Each permit's own: `<epoch>.<slice>.<number>`. */
const permitId = z.string().regex(/^\d{1,15}\.\d{1,15}\.\d{1,15}$/);

/** Whatever one message speaks of, all in all. */
export const mostAtOnce = 10_000;
/** How many in a row: their names are numbers, and this one's is the first. */
const alike = z.number().int().min(1).max(mostAtOnce).default(1);
const isBounded = (all: readonly { readonly count: number }[]): boolean =>
  all.reduce((sum, { count: some }) => sum + some, 0) <= mostAtOnce;
const tooMany = `more than ${mostAtOnce} at once`;

const amount = z.object({
  requests: count.default(1),
  tokens: count.default(0),
  inputTokens: count.default(0),
  outputTokens: count.default(0),
});

/** A request that waits for its permit. */
const wish = amount.extend({
  /** The client's own number for it. */
  id: z
    .number()
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER - mostAtOnce),
  count: alike,
  lane: z.enum(lanes).default('normal'),
  tenant: z.string().max(512).default(''),
  /** How long it has waited so far. */
  waitedMs: ms.default(0),
  /** The call's own timeout. */
  holdMs: ms.default(600_000),
});

/**
 * A client's list of those that wait, as of now: who is not in it does not wait any more. Sent again every D/4 as long as
 * somebody waits. A permit's life counts from when the client sent the list that its grant answers.
 */
export const acquire = z.object({
  client: name,
  /** Counts this client's lists. */
  n: z.number().int().min(1).default(1),
  /**
   * The oldest of its lists whose grants it would still use. What was granted in answer to an older one to somebody who
   * is in this list has been lost on its way, and will never be used.
   */
  live: z.number().int().min(0).default(1),
  /** These have joined, and those of the lists before go on waiting. */
  adds: z.boolean().default(false),
  waiting: z.array(wish).refine(isBounded, tooMany),
});

/** Who will never be granted what they wait for, and why: the budget never allows so much. */
const refusal = z.object({ id: z.number(), message: z.string() });

/** The answer to a list, and then another one whenever there is something to grant, to the same reply subject. */
export const grants = z.object({
  /** Whose answer this is, and which one to this client: what comes twice is heard once. */
  epoch: z.number(),
  seq: z.number(),
  /** The list that this answers. */
  n: z.number(),
  grants: z.array(z.object({ id: z.number(), permit: permitId, count: alike })),
  refused: z.array(refusal),
  /** How many wait in all; the budget is closed for so long. */
  waiting: z.number(),
  closedMs: z.number(),
});

const of = { permit: permitId, count: alike };

/** What has become of permits. Sent again until it is answered: each word counts once. */
export const settle = z.object({
  client: name,
  permits: z
    .array(
      z.discriminatedUnion('type', [
        /** The request was written within D. */
        z.object({ type: z.literal('sent'), ...of }),
        /** It was written, but too late, or nobody can tell when; its answer's first byte has come, or its call is over. */
        z.object({ type: z.literal('late'), ...of, amount }),
        /** Nothing was written. */
        z.object({ type: z.literal('unsent'), ...of }),
        /** The call is over, and used so much; without `actual`, what was reserved. */
        z.object({
          type: z.literal('settled'),
          ...of,
          actual: amount.optional(),
          /** As `sent`, which had not been told yet. */
          sent: z.boolean().optional(),
        }),
        /** The call goes on: its client lives. Every `keepaliveMs` for each call that counts as concurrent. */
        z.object({ type: z.literal('alive'), ...of }),
      ]),
    )
    .refine(isBounded, tooMany),
});

/** `unknown`: permits that this limiter has not granted to this client, or has forgotten: what was said of them is void. */
export const settled = z.object({ unknown: z.array(permitId) });

export const penalize = z.object({ retryAfterMs: ms, why: z.string().max(1_000).default('') });

/** How often a client speaks for its concurrent calls, and how long it is believed to live without a word. */
export const keepaliveMs = 2_000;
export const clientLeaseMs = 10_000;

export type Acquire = z.infer<typeof acquire>;
export type Wish = z.infer<typeof wish>;
export type Grants = z.infer<typeof grants>;
export type Refusal = z.infer<typeof refusal>;
export type Settle = z.infer<typeof settle>;
export type Fate = Settle['permits'][number];
type WithoutPermit<Of> = Of extends Fate ? Omit<Of, 'permit' | 'count'> : never;
/** What has become of a permit, whichever. */
export type Word = WithoutPermit<Fate>;
export type Settled = z.infer<typeof settled>;
export type Penalize = z.infer<typeof penalize>;
