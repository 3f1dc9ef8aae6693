/** The parts that shapes are made of. Their errors are about the value: the place is added from the path. */
import { z } from 'zod';
import { isToken, lanes } from '../bus/subjects.ts';
import { toMs } from '../kernel/duration.ts';
import { didYouMean } from './suggest.ts';

export const show = (value: unknown): string => {
  if (typeof value === 'string') return `"${value.slice(0, 80)}"`;
  if (Array.isArray(value)) return 'a list';
  if (value === undefined) return 'nothing';
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value);
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
};

/** For an error that names the value: `"x" is no lane`. */
const whenNot =
  (what: string) =>
  ({ input }: { readonly input?: unknown }): string =>
    `${show(input)} is ${what}`;

/** Words of the API that have issues of their own: worth another answer than "unknown". */
const later: ReadonlySet<string> = new Set(
  'agents signals threads tenants spend fair perTenant perKey share scale partitions'.split(' '),
);

const unknownKeys = (keys: readonly string[], known: readonly string[]): string =>
  keys
    .map((key) =>
      later.has(key)
        ? `"${key}" is not available in this version; leave it out`
        : `unknown key ${show(key)}${didYouMean(key, known)}`,
    )
    .join(', ');

/** An object without keys of its own invention. `beside` are the keys that its author may write there too. */
export const closed = <Shape extends z.core.$ZodLooseShape>(shape: Shape, beside: readonly string[] = []) =>
  z.strictObject(shape, {
    error: ({ code, keys, input }) =>
      code === 'unrecognized_keys'
        ? unknownKeys(keys ?? [], [...Object.keys(shape), ...beside])
        : `${show(input)} is no object`,
  });

export const fn = <F>(error: string = 'not a function') =>
  z.custom<F>((value) => typeof value === 'function', { error });

export const whole = (min: number, max: number) => {
  const error = whenNot(`no whole number from ${min} to ${max}`);
  return z.int({ error }).min(min, { error, abort: true }).max(max, { error, abort: true });
};

/** In ms. */
export const duration = (minMs: number, maxMs?: number) =>
  z.unknown().transform((value, ctx): number => {
    try {
      return toMs(value, '', { minMs, ...(maxMs !== undefined && { maxMs }) });
    } catch (error) {
      // Its `what` is empty: the path says it.
      ctx.addIssue({
        code: 'custom',
        message: error instanceof Error ? error.message.replace(/^: /, '') : String(error),
      });
      return z.NEVER;
    }
  });

export const laneName = z.enum(lanes, { error: whenNot(`no lane; give ${lanes.join(', ')}`) });

export const tokenRule = '1 to 64 of A-Z a-z 0-9 _ -';

/** A name that becomes part of subjects. */
export const token = z
  .string({ error: whenNot('no name') })
  .refine(isToken, { error: whenNot(`no name; give ${tokenRule}`) });

/** A name that must be among those there are. */
export const known = (what: string, names: readonly string[]) =>
  z.string({ error: whenNot(`no name of a ${what}`) }).refine((name) => names.includes(name), {
    error: ({ input }) => `there is no ${what} ${show(input)}${hint(String(input), names)}`,
  });

const hint = (name: string, names: readonly string[]): string =>
  didYouMean(name, names) || (names.length === 0 ? '' : `; there are: ${names.slice(0, 20).join(', ')}`);
