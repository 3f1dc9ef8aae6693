/** Many submits, as fast as the server takes them, with a bounded number on their way. */
import type { SubmitOptions } from '../app/submit.ts';
import { summarise } from '../kernel/error.ts';
import { InvalidInputError } from '../kernel/errors.ts';
import { slots } from '../kernel/slots.ts';
import type { Submit } from './submitting.ts';
import type { Submitted } from './types.ts';

export type Items =
  | Iterable<SubmitOptions & { readonly input: unknown }>
  | AsyncIterable<SubmitOptions & { readonly input: unknown }>;

/** Throws `InvalidInputError`: without types, anything may be among the items. */
const asItem = <Item>(item: Item): Item => {
  if (typeof item === 'object' && item !== null) return item;
  throw new InvalidInputError(`an item is ${String(item).slice(0, 40)}; it must be { input, … }`);
};

const onTheWayMost = 512;

/** Rejects with what `items` throws, once what was begun has ended. */
export const submitAll = async (submit: Submit, type: string, items: Items): Promise<Submitted> => {
  const places = slots(onTheWayMost);
  const refused: Submitted['refused'][number][] = [];
  let accepted = 0;
  let duplicates = 0;
  let count = 0;

  const one = async (index: number, item: SubmitOptions & { readonly input: unknown }): Promise<void> => {
    try {
      const { input, ...options } = asItem(item);
      const { duplicate } = await submit(type, input, options);
      if (duplicate) duplicates += 1;
      else accepted += 1;
    } catch (error) {
      const { code, message } = summarise(error);
      refused.push({ index, code, error: message });
    } finally {
      places.give();
    }
  };

  try {
    if (Symbol.asyncIterator in items) {
      for await (const item of items) {
        await places.take();
        void one(count++, item); // It handles its own failure.
      }
    } else {
      for (const item of items) {
        const place = places.take();
        if (place) await place;
        void one(count++, item);
      }
    }
  } finally {
    await places.free();
  }
  return { accepted, duplicates, refused: refused.toSorted((a, b) => a.index - b.index) };
};
