/** Writes rows so that one which the database will never take does not keep out the others. */
import { NotFoundError, RefusedError } from '../kernel/errors.ts';
import { isUnanswered } from '../kernel/unanswered.ts';

/**
 * Writes `rows`; where they are refused, each half of them by itself, and so on: `refused` gets those that are refused
 * alone. Throws whatever else `write` throws, and what `refused` throws.
 */
export const writeOrBisect = async <Row>(
  rows: readonly Row[],
  write: (rows: readonly Row[]) => Promise<void>,
  refused: (row: Row, error: RefusedError) => Promise<void>,
): Promise<void> => {
  const [first] = rows;
  if (first === undefined) return;
  try {
    await write(rows);
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    if (rows.length === 1) return refused(first, error);
    const half = rows.length >>> 1;
    await writeOrBisect(rows.slice(0, half), write, refused);
    await writeOrBisect(rows.slice(half), write, refused);
  }
};

/** The store, the broker, or a stream that is being made anew: worth waiting for. */
export const passes = (error: unknown): boolean => isUnanswered(error) || error instanceof NotFoundError;
