import { NotFoundError } from './errors.ts';

/** What `asked` comes to; undefined where it rejects because there is no such thing. */
export const ifFound = async <Value>(asked: Promise<Value>): Promise<Value | undefined> => {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  }
};
