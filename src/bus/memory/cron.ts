/** When a six-field cron expression (seconds first) fires next, in a time zone. */
import { RefusedError } from '../../kernel/errors.ts';

type Field = ReadonlySet<number>;

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const bounds: readonly Bounds[] = [
  { min: 0, max: 59 },
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  { min: 1, max: 12, names: ['', ...months] },
  { min: 0, max: 6, names: days },
];

const refuse = (cron: string): never => {
  throw new RefusedError(`message schedule "${cron}" is no cron expression of six fields, seconds first`);
};

const value = (text: string, { min, max, names }: Bounds): number => {
  const named = names?.indexOf(text.toLowerCase()) ?? -1;
  const number = named >= 0 ? named : /^\d+$/.test(text) ? Number(text) : NaN;
  return number >= min && number <= max ? number : NaN;
};

const range = (part: string, within: Bounds): readonly number[] => {
  const [span = '', step = '1', ...more] = part.split('/');
  const [from = '', to = part.includes('/') ? String(within.max) : from, ...others] =
    span === '*' || span === '?' ? [String(within.min), String(within.max)] : span.split('-');
  const [first, last, by] = [value(from, within), value(to, within), /^[1-9]\d*$/.test(step) ? Number(step) : NaN];
  const valid = more.length === 0 && others.length === 0 && first <= last && by > 0;
  return valid ? Array.from({ length: Math.floor((last - first) / by) + 1 }, (_, at) => first + at * by) : [];
};

const known = (timezone: string): string => {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: timezone }).resolvedOptions().timeZone;
  } catch (cause) {
    throw new RefusedError(`message schedule time zone "${timezone}" is invalid`, { cause });
  }
};

/** The clock on the wall of a time zone: second, minute, hour, day, month, weekday. */
const wallClock = (timezone: string): ((ms: number) => readonly number[]) => {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    weekday: 'short',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const order = ['second', 'minute', 'hour', 'day', 'month'];
  return (ms) => {
    const parts = new Map<string, string>(format.formatToParts(ms).map(({ type, value: text }) => [type, text]));
    const weekday = days.indexOf((parts.get('weekday') ?? '').toLowerCase());
    return [...order.map((name) => Number(parts.get(name))), weekday];
  };
};

const longestMs = 5 * 366 * 86_400_000;

/** The first time after `afterMs` (epoch ms) that fits. Throws `RefusedError` for what is no cron expression. */
export const nextCron = (cron: string, timezone: string, afterMs: number): number => {
  const parts = cron.trim().split(/\s+/);
  const fields: readonly Field[] = bounds.map((within, at) => {
    const each = (parts[at] ?? '').split(',').map((part) => range(part, within));
    return new Set(each.some((numbers) => numbers.length === 0) ? [] : each.flat());
  });
  if (parts.length !== bounds.length || fields.some((field) => field.size === 0)) refuse(cron);
  const restricted = [parts[3], parts[5]].every((part) => part !== '*' && part !== '?');
  const local = wallClock(known(timezone));

  const fits = (now: readonly number[], at: number): boolean => fields[at]?.has(now[at] ?? -1) ?? false;
  const dayFits = (now: readonly number[]): boolean =>
    restricted ? fits(now, 3) || fits(now, 5) : fits(now, 3) && fits(now, 5);

  let ms = Math.floor(afterMs / 1_000) * 1_000 + 1_000;
  while (ms < afterMs + longestMs) {
    const now = local(ms);
    const [second = 0, minute = 0] = now;
    if (!fits(now, 4) || !dayFits(now) || !fits(now, 2)) ms += ((59 - minute) * 60 + 60 - second) * 1_000;
    else if (!fits(now, 1)) ms += (60 - second) * 1_000;
    else if (!fits(now, 0)) ms += 1_000;
    else return ms;
  }
  return refuse(cron);
};
