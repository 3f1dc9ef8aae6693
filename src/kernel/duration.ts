import { TroupeError } from './error.ts';

/** Milliseconds, or `'250ms' | '10s' | '5m' | '2h' | '3d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

/** Not a duration, or one out of bounds. The message names what was to be set, the value, and what is accepted. */
export class InvalidDurationError extends TroupeError {
  override readonly name = 'InvalidDurationError';
  override readonly code = 'invalid_duration';
}

export interface DurationBounds {
  /** 0 */
  readonly minMs?: number;
  /** 365 days */
  readonly maxMs?: number;
}

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const year = 365 * 86_400_000;

/**
 * A duration in whole milliseconds. `what` is named in the error, such as `timeout of task "summarise"`.
 * Takes `unknown`, as durations come from JavaScript and from JSON too.
 */
export const toMs = (
  duration: unknown,
  what = 'duration',
  { minMs = 0, maxMs = year }: DurationBounds = {},
): number => {
  const ms = Math.round(typeof duration === 'string' ? parse(duration) : typeof duration === 'number' ? duration : NaN);
  if (Number.isNaN(ms)) {
    throw new InvalidDurationError(
      `${what}: ${show(duration)} is not a duration; give milliseconds, or a number with ms, s, m, h or d such as '5m'`,
    );
  }
  if (ms < minMs || ms > maxMs) {
    throw new InvalidDurationError(
      `${what}: ${show(duration)} is out of bounds; give ${formatMs(minMs)} to ${formatMs(maxMs)}`,
    );
  }
  return ms;
};

const parse = (text: string): number => {
  const [, value, unit = ''] = /^(-?\d{1,15}(?:\.\d{1,9})?)(ms|s|m|h|d)$/.exec(text) ?? [];
  return Number(value) * (units[unit] ?? NaN);
};

const show = (value: unknown): string =>
  typeof value === 'string' ? `'${value.slice(0, 40)}'` : typeof value === 'number' ? String(value) : typeof value;

/** The shortest way to say it that loses nothing: `90_000` is `90s`, `120_000` is `2m`. */
export const formatMs = (ms: number): string => {
  const [unit = 'ms', size = 1] = Object.entries(units).findLast(([, each]) => ms !== 0 && ms % each === 0) ?? [];
  return `${ms / size}${unit}`;
};
