/**
 * Whether the run kept within what the guarantee assumes, by the clock that all processes of a machine share. It decides
 * nothing: the verdict is the provider's log. But who reads of a window that held too much wants to know whose fault it was.
 */
import { windowVerdicts } from './checker.ts';
import { countedBy } from './count.ts';
import type { LoggedArrival, Report } from './reports.ts';
import type { Limit } from './windows.ts';

export interface Assumptions {
  /** A1: from the end of the write to the provider, at most X. */
  readonly travel: {
    readonly medianMs: number;
    readonly longestMs: number;
    readonly allowedMs: number;
    readonly beyond: number;
    /** How many windows would have held too much, had none been beyond: what the guarantee says, on any machine. */
    readonly over: number;
  };
  /** Requests that were written after their permit had run out: each was found by the check after the write. */
  readonly late: number;
  /** How often, and for how long at most, a process stood still between check and write. */
  readonly stopped: { readonly count: number; readonly longestMs: number };
  /** Permits that were granted and not used, and calls that failed, by why. */
  readonly failed: Readonly<Record<string, number>>;
}

export interface Run {
  readonly limits: readonly Limit[];
  readonly arrivals: readonly LoggedArrival[];
  readonly reports: readonly Report[];
  /** X. */
  readonly allowedMs: number;
}

/** What was longer on its way than A1 allows, as if it had come at the last allowed moment. */
const undelayed = ({ arrivals, reports, allowedMs }: Run): readonly LoggedArrival[] => {
  const sent = reports.filter((report) => report.type === 'sent');
  const latestMs = new Map(sent.map(({ request, sentMs }) => [request, sentMs + allowedMs]));
  return arrivals.map((arrival) => {
    const atMs = Math.min(arrival.atMs, latestMs.get(arrival.request ?? '') ?? Infinity);
    return { ...arrival, atMs, headMs: Math.min(arrival.headMs, atMs) };
  });
};

export const assumptionsOf = (run: Run): Assumptions => {
  const { limits, arrivals, reports, allowedMs } = run;
  const arrivedMs = new Map(arrivals.map(({ request, atMs }) => [request, atMs]));
  const sent = reports.filter((report) => report.type === 'sent');
  const travels = sent
    .flatMap(({ request, sentMs }) => {
      const atMs = arrivedMs.get(request);
      return atMs === undefined ? [] : [Math.max(0, atMs - sentMs)];
    })
    .toSorted((a, b) => a - b);
  const stops = reports.filter((report) => report.type === 'stopped').map(({ fromMs, toMs }) => toMs - fromMs);
  const failures = reports.filter((report) => report.type === 'failed');
  return {
    travel: {
      medianMs: travels[Math.floor(travels.length / 2)] ?? 0,
      longestMs: travels.at(-1) ?? 0,
      allowedMs,
      beyond: travels.filter((ms) => ms > allowedMs).length,
      over: windowVerdicts(limits, undelayed(run)).reduce((sum, { over }) => sum + over, 0),
    },
    late: sent.filter(({ inTime }) => !inTime).length,
    stopped: { count: stops.length, longestMs: Math.max(0, ...stops) },
    failed: countedBy(failures, ({ why }) => why),
  };
};
