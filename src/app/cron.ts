/**
 * Cron as people write it (five fields, or six with seconds first) into what NATS takes: six fields, Sunday is 0. What
 * NATS would refuse is refused here, at boot, where somebody reads it.
 */

export type Cron = { readonly cron: string } | { readonly mistake: string };

interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const fields: readonly Field[] = [
  { name: 'second', min: 0, max: 59 },
  { name: 'minute', min: 0, max: 59 },
  { name: 'hour', min: 0, max: 23 },
  { name: 'day of month', min: 1, max: 31 },
  { name: 'month', min: 1, max: 12, names: 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ') },
  { name: 'day of week', min: 0, max: 7, names: 'sun mon tue wed thu fri sat'.split(' ') },
];

const macros: ReadonlyMap<string, string> = new Map([
  ['@hourly', '0 0 * * * *'],
  ['@daily', '0 0 0 * * *'],
  ['@midnight', '0 0 0 * * *'],
  ['@weekly', '0 0 0 * * 0'],
  ['@monthly', '0 0 0 1 * *'],
  ['@yearly', '0 0 0 1 1 *'],
  ['@annually', '0 0 0 1 1 *'],
]);

export const parseCron = (text: string): Cron => {
  const macro = macros.get(text.trim().toLowerCase());
  if (macro !== undefined) return { cron: macro };
  const given = text.trim().split(/\s+/);
  if (given.length !== 5 && given.length !== 6)
    return mistake(text, `${given.length} fields; cron takes 5 (minute first) or 6 (second first)`);
  const texts = given.length === 5 ? ['0', ...given] : given;
  const sets = fields.map((field, index) => valuesOf(texts[index] ?? '', field));
  const bad = sets.find((set) => typeof set === 'string');
  if (typeof bad === 'string') return mistake(text, bad);
  const values = sets.filter((set) => typeof set !== 'string');
  if (never(texts, values)) return mistake(text, 'no such day: it would never fire');
  return { cron: texts.map((field, index) => (index === 5 ? sundayIsZero(field, values[5] ?? []) : field)).join(' ') };
};

const mistake = (text: string, why: string): Cron => ({
  mistake: `"${text.slice(0, 80)}" is no cron expression: ${why}`,
});

/** All values of a field, or what is wrong with it. */
const valuesOf = (text: string, field: Field): readonly number[] | string => {
  const ranges = text.split(',').map((item) => rangeOf(item, field));
  const bad = ranges.find((range) => typeof range === 'string');
  if (typeof bad === 'string') return bad;
  return ranges.flatMap((range) => (typeof range === 'string' ? [] : range));
};

const rangeOf = (item: string, field: Field): readonly number[] | string => {
  const [range = '', step, ...more] = item.split('/');
  const [from = '', to, ...rest] = range.split('-');
  const every = isAny(from) && to === undefined;
  const first = every ? field.min : numberOf(from, field);
  const last = every || (to === undefined && step !== undefined) ? endOf(field) : numberOf(to ?? from, field);
  const stride = step === undefined ? 1 : /^\d{1,2}$/.test(step) ? Number(step) : 0;
  if (more.length > 0 || rest.length > 0 || first === undefined || last === undefined)
    return `"${item.slice(0, 40)}" is no ${field.name}; give ${field.min} to ${field.max}, a range, a step or *`;
  if (first > last) return `the ${field.name}s ${item.slice(0, 40)} end before they begin`;
  if (stride < 1) return `the step of the ${field.name}s ${item.slice(0, 40)} is not 1 or more`;
  return Array.from({ length: Math.floor((last - first) / stride) + 1 }, (_, n) => first + n * stride);
};

const isAny = (text: string): boolean => text === '*' || text === '?';

/** Where `*` ends: 7 is Sunday's second name, not an eighth day. */
const endOf = (field: Field): number => (field.max === 7 ? 6 : field.max);

const numberOf = (text: string, { names = [], min, max }: Field): number | undefined => {
  const named = names.indexOf(text.toLowerCase());
  if (named >= 0) return named + min;
  const value = /^\d{1,2}$/.test(text) ? Number(text) : NaN;
  return value >= min && value <= max ? value : undefined;
};

/** NATS takes no 7, not even as the end of a range that steps over it: such a field is written out. */
const sundayIsZero = (field: string, values: readonly number[]): string =>
  /(^|[,-])0?7(?!\d)/.test(field)
    ? [...new Set(values.map((day) => day % 7))].toSorted((a, b) => a - b).join(',')
    : field;

const longest = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;

/** Whether no month of those chosen has any of the days chosen. A day of week beside it would be an alternative. */
const never = (texts: readonly string[], values: readonly (readonly number[])[]): boolean => {
  const [, , , days = [], months = []] = values;
  if (!(texts[5] ?? '').split(',').some((item) => /^[*?](\/0?1)?$/.test(item))) return false;
  return months.every((month) => Math.min(...days) > (longest[month - 1] ?? 31));
};
