/**
 * A budget's one key: who grants, and what has been taken for granting. Each change is a compare-and-set on it, taking
 * over included; so slices have one order, across all limiters there ever were, and a deposed one can take no more.
 */
import { z } from 'zod';
import type { Amount } from '../budget.ts';

const count = z.number().min(0);

/** `[number, requests, tokens, inputTokens, outputTokens, calls that may be going on, for at most so many ms]`. */
type Slice = readonly [number, number, number, number, number, number, number];

/**
 * By hand: every node reads all slices at each change, and a schema for each number made that a seventh of a simulation's
 * time.
 */
const areSlices = (value: unknown): value is readonly Slice[] => Array.isArray(value) && value.every(isSlice);

const isSlice = (value: unknown): value is Slice =>
  Array.isArray(value) && value.length === 7 && Number.isSafeInteger(value[0]) && value.every(isCount);

const isCount = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value) && value >= 0;

const limiterKey = z.object({
  v: z.literal(1),
  /** Nonce of the write that made this revision. */
  w: z.string(),
  /** Counts the limiters that this budget has had. */
  epoch: z.number().int(),
  /** The node that grants; '' when the last one has stopped by itself. */
  node: z.string(),
  /** How long the budget was closed at the time of this write, by a provider's word. */
  closedMs: count,
  slices: z.custom<readonly Slice[]>(areSlices),
});

/** As much of a slice as may count still. */
export interface KeptSlice {
  readonly n: number;
  readonly amount: Amount;
  /** Calls that may be going on. */
  readonly active: number;
  /** How long they may at most. */
  readonly holdMs: number;
}

export interface LimiterKey {
  readonly w: string;
  readonly epoch: number;
  readonly node: string;
  readonly closedMs: number;
  readonly slices: readonly KeptSlice[];
}

const decoder = new TextDecoder('utf-8', { fatal: true });

export const encodeKey = ({ slices, ...key }: LimiterKey): Uint8Array =>
  Buffer.from(
    JSON.stringify({
      v: 1,
      ...key,
      slices: slices.map(({ n, amount: { requests, tokens, inputTokens, outputTokens }, active, holdMs }) => [
        n,
        requests,
        tokens,
        inputTokens,
        outputTokens,
        active,
        Math.ceil(holdMs),
      ]),
    }),
  );

/** `undefined` for what no limiter wrote. */
export const decodeKey = (bytes: Uint8Array): LimiterKey | undefined => {
  try {
    const { v: _, slices, ...key } = limiterKey.parse(JSON.parse(decoder.decode(bytes)));
    const kept = slices.map(
      ([n, requests, tokens, inputTokens, outputTokens, active, holdMs]): KeptSlice => ({
        n,
        amount: { requests, tokens, inputTokens, outputTokens },
        active,
        holdMs,
      }),
    );
    return { ...key, slices: kept };
  } catch {
    return undefined;
  }
};
