/**
 * What a provider allows, and the times that the guarantee is made of. Its proof, its assumptions and its arithmetic are
 * in docs/limiter.md; the letters here are those of that page.
 */

/** What a window counts. `tokens` are input and output together. */
export const units = ['requests', 'tokens', 'inputTokens', 'outputTokens'] as const;
export type Unit = (typeof units)[number];

/** How much of each unit, reserved or used. */
export type Amount = Readonly<Record<Unit, number>>;

/** No more than `limit` of `unit` in any window of `perMs`, wherever it begins. */
export interface Window {
  readonly unit: Unit;
  readonly limit: number;
  readonly perMs: number;
}

/** A budget as an app's config comes to. */
export interface Budget {
  /** One subject token. */
  readonly name: string;
  /** All of them hold at the same time. */
  readonly windows: readonly Window[];
  /** Calls at once; without it any number. */
  readonly concurrent?: number;
}

export const noAmount: Amount = { requests: 0, tokens: 0, inputTokens: 0, outputTokens: 0 };

export const plus = (a: Amount, b: Amount): Amount => ({
  requests: a.requests + b.requests,
  tokens: a.tokens + b.tokens,
  inputTokens: a.inputTokens + b.inputTokens,
  outputTokens: a.outputTokens + b.outputTokens,
});

export const minus = (a: Amount, b: Amount): Amount => ({
  requests: a.requests - b.requests,
  tokens: a.tokens - b.tokens,
  inputTokens: a.inputTokens - b.inputTokens,
  outputTokens: a.outputTokens - b.outputTokens,
});

export const isSame = (a: Amount, b: Amount): boolean => a === b || units.every((unit) => a[unit] === b[unit]);

/** Whether `a` has at least as much of each unit. */
export const covers = (a: Amount, b: Amount): boolean => units.every((unit) => a[unit] >= b[unit]);

/** One request with so many tokens in and, at most, out. */
export const amountOf = (inputTokens: number, outputTokens: number): Amount => ({
  requests: 1,
  tokens: inputTokens + outputTokens,
  inputTokens,
  outputTokens,
});

export interface Timing {
  /** D: how long after the renewal that a grant answers its request may leave. */
  readonly permitMs: number;
  /** X: how long what has been written may be on its way to the provider. */
  readonly travelMs: number;
  /** V: how long a slice may be granted from. */
  readonly sliceMs: number;
  /** γ: how far a date may be off. */
  readonly grainMs: number;
}

/** ρ: how much faster or slower one machine's clock may run than another's. */
const clockError = 1e-3;

/** By the shortest window, which bears the least. */
export const timingOf = ({ windows }: Pick<Budget, 'windows'>): Timing => {
  const shortest = Math.min(60_000, ...windows.map(({ perMs }) => perMs));
  const permitMs = Math.min(500, Math.max(50, shortest / 50));
  return { permitMs, travelMs: permitMs, sliceMs: 2 * permitMs, grainMs: permitMs / 10 };
};

/** W': how long after its date an amount is counted. */
export const heldMs = ({ perMs }: Window, { grainMs }: Timing): number => perMs * (1 + clockError) + grainMs;
