/**
 * How a budget's key stays small, however long its windows are and however much is taken from them. When a slice was taken
 * matters to the windows that it has not left, and 1/256 of the shortest of those is exact enough.
 */
import { type Amount, heldMs, plus, type Timing, type Window } from '../budget.ts';

/** Of a window. What a successor may count too long is in proportion to it. */
const grain = 1 / 256;

/** Slices of one cell are as good as one. `atMs`: when it was taken or seen first, by which a successor dates it. */
export type CellOf = (atMs: number, nowMs: number) => string | undefined;

export const cells = (windows: readonly Window[], timing: Timing): CellOf => {
  const { sliceMs, permitMs, travelMs } = timing;
  const byLength = windows
    .map((window) => ({ perMs: window.perMs, leftMs: sliceMs + permitMs + travelMs + heldMs(window, timing) }))
    .toSorted((a, b) => a.perMs - b.perMs);
  return (atMs, nowMs) => {
    const counting = byLength.find(({ leftMs }) => atMs + leftMs > nowMs) ?? byLength.at(-1);
    return counting && `${counting.perMs} ${Math.floor(atMs / (counting.perMs * grain))}`;
  };
};

interface Counted {
  readonly n: number;
  amount: Amount;
  leavesAtMs: number;
}

/**
 * Merges what is in one cell into the newest slice there: a successor dates that by when it was seen first, which is too
 * late for the others, and never too early. `slices` are in the order in which they were taken; those without a cell stay
 * as they are.
 */
export const merge = <Slice extends Counted>(
  slices: Map<number, Slice>,
  cellOf: (slice: Slice) => string | undefined,
): void => {
  const newest = new Map<string, Slice>();
  for (const slice of slices.values()) {
    const cell = cellOf(slice);
    if (cell === undefined) continue;
    const older = newest.get(cell);
    newest.set(cell, slice);
    if (!older) continue;
    slice.amount = plus(slice.amount, older.amount);
    slice.leavesAtMs = Math.max(slice.leavesAtMs, older.leavesAtMs);
    slices.delete(older.n);
  }
};
